import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const program = sockOps((ctx) => {
  if (ctx.mss == 1460) ctx.reply = 1; //~ loose-equality
  if (ctx.mss != 1460) ctx.reply = 2; //~ loose-equality
  return 1;
});
