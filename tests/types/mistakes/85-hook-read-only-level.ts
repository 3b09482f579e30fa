// what was asked for is given when the kernel has answered
import { license } from "tsbpf";
import { Level, sockOptHook } from "tsbpf/sockopt";
license("GPL");
export const hook = sockOptHook({
  getsockopt(ctx) {
    ctx.level = Level.Tcp; //~ TS2540 => ctx.optlen = Level.Tcp;
    return true;
  },
});
