import { ipv6, license } from "tsbpf";
import { pathManager } from "tsbpf/mptcp";
license("GPL");
export const manager = pathManager({
  newSession(session) {
    session.setPriority(true, { from: { addr: session.localIp4 }, to: { addr: ipv6("2001:db8::1") } }); //~ mixed-families
  },
});
