import { license } from "tsbpf";
import { pathManager } from "tsbpf/mptcp";
license("GPL");
export const manager = pathManager({}); //~ no-handlers
