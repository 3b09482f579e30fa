/** `tsbpf/mptcp` in Node. The declarations are in mptcp.d.ts. */
import type { ProgramDefinition } from "./tcp.ts";

export { Callback, Op, sockOps } from "./tcp.ts";
export const pathManager = (definition: unknown): ProgramDefinition<"pathManager"> => ({
  kind: "pathManager",
  definition,
});
export const scheduler = (definition: unknown): ProgramDefinition<"scheduler"> => ({ kind: "scheduler", definition });
