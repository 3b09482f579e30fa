// target: mainline
import { license } from "tsbpf";
import { pathManager } from "tsbpf/mptcp";
license("GPL");
export const manager = pathManager({
  newSession(session) { //~ needs-kernel
    session.openSubflow(); //~ needs-kernel
  },
});
