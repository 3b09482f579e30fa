import { license, range } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const program = sockOps((ctx) => {
  const turns = range(4); //~ range-outside-loop
  for (const _ of turns) ctx.reply = 1;
  return 1;
});
