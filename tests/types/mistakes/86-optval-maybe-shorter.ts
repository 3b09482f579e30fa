// the value may have fewer bytes
import { license, u32 } from "tsbpf";
import { sockOptHook } from "tsbpf/sockopt";
license("GPL");
export const hook = sockOptHook({
  setsockopt(ctx) {
    const value = ctx.optval(u32);
    value.value = 1; //~ TS18048 => if (value) value.value = 1;
    return true;
  },
});
