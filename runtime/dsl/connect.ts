/** `tsbpf/connect` in Node. The declarations are in connect.d.ts. */
import type { ProgramDefinition } from "./tcp.ts";

export const connectHook = (definition: unknown): ProgramDefinition<"connectHook"> => ({
  kind: "connectHook",
  definition,
});
