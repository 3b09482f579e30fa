import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export class Counter { value = 0; } //~ class
export const program = sockOps(() => 1);
