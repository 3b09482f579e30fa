/** Who is in the company: option programs of a cgroup and of two children, and a program of clang's; in the order in which they are asked. */
import { has, kernels, type TargetName } from "../../../compiler/bpf/kernels.ts";

/** Does this interface have events of its own for options? */
export const hasEvents = (target: TargetName): boolean => has(kernels[target], "tcp-option-events");

/** One option: by which interface it goes on the patched kernel, and what its bytes are, `?` for any digit. */
export interface Option {
  readonly patched: TargetName;
  readonly kind: number;
  readonly hex: string;
}
export interface Member extends Option {
  readonly program: string;
  /** Only the sockets of this child have what it tells. */
  readonly only?: "first";
  readonly params?: Readonly<Record<string, number>>;
}

/** What the processes of the children hang on their sockets: whose connection it is, and its trace. */
export const CLIENT = [0x12, 0x34, 203, 0, 113, 9];
export const CONTEXT = Array.from({ length: 24 }, (_, index) => 0x40 + index);
const hexOf = (bytes: readonly number[]): string => Buffer.from(bytes).toString("hex");

const userTimeout: Member = {
  program: "user-timeout",
  params: { timeoutSeconds: 9 },
  patched: "patched",
  kind: 28,
  hex: "1c040009",
};
const traceContext: Member = {
  program: "trace-context",
  patched: "mainline",
  kind: 25,
  hex: `191a${hexOf(CONTEXT)}`,
};
export const CHILDREN = { first: [userTimeout], second: [traceContext] } as const;
export const PARENT: readonly Member[] = [
  { program: "client-address", only: "first", patched: "mainline", kind: 200, hex: `c808${hexOf(CLIENT)}` },
  {
    program: "telemetry",
    params: { tagFrequencyKey: 5 },
    patched: "patched",
    kind: 0x72,
    hex: "720c50" + "?".repeat(18),
  },
  { program: "server-id", params: { serverId: 0xc0ffee }, patched: "patched", kind: 183, hex: "b70600c0ffee" },
  { program: "initial-window-both", params: { wantedWindow: 20 }, patched: "patched", kind: 66, hex: "42040014" },
];
/** How many programs they are, with clang's: client-address has one for each family. */
export const PROGRAMS = 8;
/** Attached last, to the cgroup of the parents. */
export const CLANG: Option = { patched: "patched", kind: 210, hex: "d204efbe" };

/** Those that a process of a child is under, as they are asked: mainline's callbacks come after the patched kernel's events. */
export function asked(child: keyof typeof CHILDREN, target: TargetName): readonly Option[] {
  const all = [...CHILDREN[child], ...PARENT.filter(({ only }) => only === undefined || only === child), CLANG];
  if (!hasEvents(target)) return all;
  return [...all.filter((one) => hasEvents(one.patched)), ...all.filter((one) => !hasEvents(one.patched))];
}
