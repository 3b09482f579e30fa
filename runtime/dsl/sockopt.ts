/** `tsbpf/sockopt` in Node. The declarations are in sockopt.d.ts. */
import { OPTION_NAMES } from "../../compiler/bpf/option-names.ts";
import type { ProgramDefinition } from "./tcp.ts";

export const { Level, SocketOption, TcpSocketOption } = OPTION_NAMES;
export const sockOptHook = (definition: unknown): ProgramDefinition<"sockOptHook"> => ({
  kind: "sockOptHook",
  definition,
});
