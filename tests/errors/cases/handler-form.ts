import { license } from "tsbpf";
import { pathManager } from "tsbpf/mptcp";
license("GPL");
const table = { run: 1 };
export const manager = pathManager({
  newSession: table.run, //~ handler-form
});
