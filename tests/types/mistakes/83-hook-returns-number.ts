// a hook answers true or false
import { license } from "tsbpf";
import { connectHook } from "tsbpf/connect";
license("GPL");
export const hook = connectHook({
  connect4: (ctx) => ctx.pid, //~ TS2322 => connect4: (ctx) => ctx.pid !== 1,
});
