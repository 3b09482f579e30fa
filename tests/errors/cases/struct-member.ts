import { license, struct, u32 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export class Counter extends struct({ value: u32 }) {
  add() { return 1; } //~ struct-member
}
export const program = sockOps(() => 1);
