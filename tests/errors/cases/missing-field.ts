import { license } from "tsbpf";
import { pathManager } from "tsbpf/mptcp";
license("GPL");
export const manager = pathManager({
  newSession(session) {
    session.openSubflow({ to: { port: session.remotePort } }); //~ missing-field
  },
});
