import { license, u32 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
function first(a: u32, b: u32): u32 { //~ unused-parameter
  return a;
}
const third = (_a: u32, b: u32, c: u32): u32 => c; //~ unused-parameter
export const program = sockOps((ctx) => {
  return first(third(1, 2, 3), 2) > 1 ? 1 : 0;
});
