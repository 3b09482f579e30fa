import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPLv3"); //~ license
export const program = sockOps(() => 1);
