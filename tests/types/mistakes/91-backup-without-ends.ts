// a backup of which not both ends are given: what is open already could not be told from it
import { license } from "tsbpf";
import { pathManager } from "tsbpf/mptcp";
license("GPL");
export const pm = pathManager({
  addLocalAddress(session, local) {
    session.openSubflow({ from: { addr: local.addr }, backup: true }); //~ TS2345 => session.openSubflow({ from: { addr: local.addr }, to: { addr: session.remoteIp4 }, backup: true });
  },
});
