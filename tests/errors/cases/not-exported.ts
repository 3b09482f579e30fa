import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
const hidden = sockOps(() => 1); //~ not-exported
export const program = sockOps(() => 1);
