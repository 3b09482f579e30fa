import { license } from "tsbpf"; //~ kernel-fixed
// target: patched
// kernel: 6.18
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const program = sockOps(() => 1);
