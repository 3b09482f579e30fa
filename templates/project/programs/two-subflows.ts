// A path manager: each MPTCP session gets more subflows on the same pair of addresses.
import { license, param, range, u8 } from "tsbpf";
import { pathManager } from "tsbpf/mptcp";

license("GPL");

/** Subflows besides the first one; at most 8. */
export const extraSubflows = param(u8, 1);

export const twoSubflows = pathManager({
  fullyEstablished(session, isMaster) {
    if (!isMaster) return;
    for (const _ of range(extraSubflows, 8)) session.openSubflow();
  },
});
