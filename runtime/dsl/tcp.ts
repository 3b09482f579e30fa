/** `tsbpf/tcp` in Node. The declarations are in tcp.d.ts. */
import { SOCK_OPS_CALLBACKS, SOCK_OPS_EVENTS } from "../../compiler/bpf/kinds/sock-ops.ts";

/** Numbers of the kernel's events by their names in the language. */
export const Op: Readonly<Record<string, number>> = Object.fromEntries(
  Object.entries(SOCK_OPS_EVENTS).map(([name, event]) => [name, event.op]),
);
export const Callback: Readonly<Record<string, number>> = {
  None: 0,
  ...Object.fromEntries(Object.entries(SOCK_OPS_CALLBACKS).map(([name, callback]) => [name, callback.bit])),
};

/** A program, as its definition says. Running it is the VM's or the kernel's job. */
export interface ProgramDefinition<Kind extends string> {
  readonly kind: Kind;
  readonly definition: unknown;
}
export const tcpOption = (definition: unknown): ProgramDefinition<"tcpOption"> => ({ kind: "tcpOption", definition });
export const sockOps = (definition: unknown): ProgramDefinition<"sockOps"> => ({ kind: "sockOps", definition });
