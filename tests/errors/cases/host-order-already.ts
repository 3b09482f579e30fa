import { license, ntohs } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const program = sockOps((ctx) => {
  if (ntohs(ctx.localPort) === 80) ctx.reply = 1; //~ host-order-already
  return 1;
});
