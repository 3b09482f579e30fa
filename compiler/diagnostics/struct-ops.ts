/** Rows about structs of the kernel's whose functions are programs, and what those are given. */
import { oneOf } from "./language.ts";
import { row } from "./row.ts";

export const structOps = {
  "ops-name": row<{ what: string; name: string; longest: number; given: boolean }>(
    "error",
    (f) => `${JSON.stringify(f.name)} cannot be the name of ${f.what}`,
    (f) =>
      `the kernel takes 1 to ${f.longest} letters, digits, "_" and "."${f.given ? "" : ': give it one with name: "…"'}`,
  ),
  "ops-member": row<{ kind: string; names: readonly string[] }>(
    "error",
    (f) => `a ${f.kind} needs ${oneOf(f.names)}`,
    (f) => `the kernel refuses one without; ${EXAMPLES[f.names[0]!] ?? ""}`,
  ),
  "iterator-outside": row<{ text: string; one: string }>(
    "error",
    (f) => `${f.text} lives as long as a loop: it cannot be kept`,
    (f) => `loop over it: for (const ${f.one} of ${f.text}) { … }`,
  ),
  "state-too-large": row<{ name: string; size: number; limit: number }>(
    "error",
    (f) => `${f.name} has ${f.size} bytes; the kernel keeps ${f.limit} for each connection`,
    () => "make fields smaller, or keep the rest in a map",
  ),
  "state-index": row(
    "error",
    () => "the kernel takes only constant offsets into what it keeps for a connection",
    () => "go through the list: for (const i of range(N)) if (i === index) { … list[i] … }; or keep it in a map",
  ),
  "ops-name-taken": row<{ name: string; what: string }>(
    "error",
    (f) => `the object has ${f.what} called ${JSON.stringify(f.name)} already`,
    () => 'the kernel refuses the second: give it a name of its own with name: "…"',
  ),
  "no-state": row(
    "error",
    () => "this connection's type does not say what its congestion control keeps",
    () => "give the congestionControl a state: State, and write TcpSock<State> as the type of a parameter",
  ),
  "kernel-member": row<{ struct: string; member: string; release: string }>(
    "error",
    (f) => `the kernel's ${f.struct} has no ${f.member} of this kind in the types of ${f.release}`,
    () => "leave it out, or give other types with --btf",
  ),
};
const EXAMPLES: Readonly<Record<string, string>> = {
  getSend: "that which takes the first subflow has the loop of programs/first.ts",
  ssthresh: "NewReno's is ssthresh: (sk) => renoSsthresh(sk)",
  undoCwnd: "NewReno's is undoCwnd: (sk) => renoUndoCwnd(sk)",
  congAvoid: "NewReno's is congAvoid: (sk, ack, acked) => renoCongAvoid(sk, ack, acked)",
};
