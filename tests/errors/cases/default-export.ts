import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export default sockOps((ctx) => { //~ default-export
  ctx.reply = 1;
  return 1;
});
