import { license } from "tsbpf";
import { sockOps, Op } from "tsbpf/tcp";
license("GPL");
export const program = sockOps((ctx) => {
  if (ctx.op === Op.WriteHeaderOption) ctx.storeOption(66, { segments: 20 }); //~ payload-width
  return 1;
});
