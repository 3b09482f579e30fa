// a port number in host order where network order is needed
import { htons, license } from "tsbpf";
import { connectHook } from "tsbpf/connect";
license("GPL");
export const hook = connectHook({
  connect4(ctx) {
    ctx.remotePort = 443; //~ TS2322 => ctx.remotePort = htons(443);
    return ctx.remotePort !== htons(80);
  },
});
