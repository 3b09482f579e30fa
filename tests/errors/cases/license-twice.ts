import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
license("Proprietary"); //~ license-twice
export const program = sockOps(() => 1);
