/** Pages about structs of the kernel's whose functions are programs: congestion controls and schedulers. */
import type { structOps } from "../struct-ops.ts";
import type { Page } from "./page.ts";

export const structOpsPages = {
  "ops-name": {
    summary: "the name to choose it by is one that the kernel refuses",
    why: `A congestion control is registered under its name, and a socket chooses it by that name: setsockopt(TCP_CONGESTION); a scheduler by net.mptcp.scheduler. The kernel keeps 16 bytes for it, the last one a zero (128 for a scheduler), and takes letters, digits, "_" and "." alone. Without a name: of its own the constant's is taken.`,
    right: [
      ['"sixteen_letters_"', '"fifteen_letters"'],
      ['"my reno"', '"my_reno"'],
      ["withoutNameOfItsOwn = congestionControl({", 'withoutNameOfItsOwn = congestionControl({\n  name: "own",'],
    ],
  },
  "ops-member": {
    summary: "a handler is missing that the kernel calls without asking",
    why: "The kernel registers a congestion control only if it says what ssthresh is after a loss, what the window is after a false alarm (undoCwnd), and how it grows (congAvoid or congControl). Who has nothing of their own to say there calls NewReno's function.",
    right: `import { license } from "tsbpf";
import { congestionControl, renoCongAvoid, renoSsthresh, renoUndoCwnd } from "tsbpf/cc";

license("GPL");

export const whole = congestionControl({
  ssthresh: (sk) => renoSsthresh(sk),
  congAvoid: (sk, ack, acked) => renoCongAvoid(sk, ack, acked),
  undoCwnd: (sk) => renoUndoCwnd(sk),
});
`,
  },
  "iterator-outside": {
    summary: "subflows or addresses of a session are kept beyond their loop",
    why: "The kernel walks the subflows with an iterator that lives on the program's stack, and that has to be ended again: a loop over session.subflows() begins and ends it. The addresses of session.localAddresses() come and go, so that each loop reads them anew.",
    right: [
      [
        "    const list = session.subflows(4);\n    for (const subflow of list)",
        "    for (const subflow of session.subflows(4))",
      ],
    ],
  },
  "state-too-large": {
    summary: "more is kept for each connection than the kernel has room for",
    why: "Each socket has 104 bytes for its congestion control's own use (icsk_ca_priv). They cost nothing to reach, so the state lies there; what does not fit belongs into a map, or into smaller fields.",
    right: [
      [
        "class TooMuch extends struct({ samples: array(u64, 13), more: u32 }) {}",
        "class Smaller extends struct({ samples: array(u64, 12), more: u32 }) {}",
      ],
      ["state: TooMuch", "state: Smaller"],
    ],
  },
  "state-index": {
    summary: "a list in a connection's state is indexed by a variable",
    why: "State lies inside a struct of the kernel, and its verifier takes only offsets into that which are constant when the program is loaded. A loop is unrolled, so its variable is a constant in each turn.",
    right: [
      [
        "    return sk.state.last[sk.state.at] ?? renoSsthresh(sk);",
        "    for (const i of range(4)) if (i === sk.state.at) return sk.state.last[i];\n    return renoSsthresh(sk);",
      ],
      ["    last[acked & 3] = ack;\n", ""],
    ],
  },
  "ops-name-taken": {
    summary: "two congestion controls or schedulers of one object have the same name",
    why: "What is registered is chosen by its name, so the kernel takes a name once. A constant's name counts where name: is absent.",
    right: [['name: "first"', 'name: "second"']],
  },
  "no-state": {
    summary: "a function reads state through a type that does not say which",
    why: "TcpSock alone is any connection; TcpSock<State> is one whose congestion control keeps a State. Only the second says how the bytes of sk.state are to be read.",
    right: [
      ["function count(sk: TcpSock) {", "function count(sk: TcpSock<Kept>): boolean {"],
      ["return sk.state === sk.state;", "return sk.state.acks > 0;"],
    ],
  },
  "kernel-member": {
    summary: "a member of a kernel struct is not in the types that were given",
    why: `Members are found by name, in an extract of Linux 6.18's types or in the file that --btf names. The kernel of that file has no such member, or one of another kind, so the program cannot be right for it.

No program leads here with the types that come with tsbpf.`,
  },
} satisfies Record<keyof typeof structOps, Page>;
