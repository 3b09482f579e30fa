import { readFileSync } from "node:fs"; //~ missing-import
import { helper } from "./nowhere.ts"; //~ missing-import
import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const program = sockOps((ctx) => {
  ctx.reply = helper();
  return 1;
});
export type Kept = typeof readFileSync;
