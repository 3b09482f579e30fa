import { license } from "tsbpf";
import { pathManager, type MptcpSession } from "tsbpf/mptcp";
license("GPL");
async function later(session: MptcpSession) { session.openSubflow(); } //~ async
export const manager = pathManager({
  newSession(session) {
    void later(session);
  },
});
