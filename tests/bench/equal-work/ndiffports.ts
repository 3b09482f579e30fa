// Listing 2: two more subflows, on the client only, a number fixed in the program.
import { license, range } from "tsbpf";
import { pathManager } from "tsbpf/mptcp";

license("GPL");

export const program = pathManager({
  fullyEstablished(session, isMaster) {
    if (session.localPort === 80 || !isMaster) return;
    for (const _ of range(2)) session.openSubflow();
  },
});
