import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const program = sockOps((ctx) => {
  const pair = { a: 1, b: 2 }; //~ untyped-object
  ctx.reply = pair.a;
  return 1;
});
