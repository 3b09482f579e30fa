import { license } from "tsbpf";
import { pathManager } from "tsbpf/mptcp";
license("GPL");
export const manager = pathManager({
  newSession() {},
});
export const second = pathManager({ //~ path-manager-twice
  closeSession() {},
});
