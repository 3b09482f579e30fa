import { sockOps } from "tsbpf/tcp";
export const program = sockOps(() => 1); //~ no-license
