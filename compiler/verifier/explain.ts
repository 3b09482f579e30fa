/** A rejection in words for someone who wrote TypeScript: what is wrong, and what to write instead. */

import { helperName, type HelperName } from "../bpf/helpers.ts";
import type { RawInsn } from "../bpf/raw.ts";
import { callableSince, returnRange } from "../bpf/kinds/index.ts";
import { isForbidden, opsStruct } from "../bpf/kinds/struct-ops.ts";
import { KFUNCS, type KfuncName } from "../bpf/kfuncs.ts";
import { hasCome, helperSince } from "../bpf/since.ts";
import { explainLeak } from "./explain-leak.ts";
import { isPacket, showReg, typeName, type Reg } from "./state.ts";
import type { Program, Rejection } from "./verify.ts";

export interface Explanation {
  readonly problem: string;
  readonly remedy?: string;
}
type Facts = { readonly program: Program; readonly rejection: Rejection; readonly reg: Reg | undefined };

const regOf = (rejection: Rejection): Reg | undefined => {
  const { state, register } = rejection;
  if (state === undefined || register === undefined) return undefined;
  return state.frames[state.frames.length - 1]?.regs[register];
};

const KFUNC_REFUSED = /^calling kernel function (\w+) is not allowed$/;

/** The helper that is called at the failing instruction. */
function calledAt({ insns }: Program, at: number | undefined): HelperName | undefined {
  const insn: RawInsn | undefined = at === undefined ? undefined : insns[at];
  return insn?.code === 0x85 && insn.src === 0 ? helperName(insn.imm) : undefined;
}

const named = (called: HelperName | undefined): string | undefined => called && `bpf_${called}`;

const boundsOf = (reg: Reg): string => {
  const low = reg.value.smin + BigInt(reg.off);
  const high = reg.value.smax + BigInt(reg.off);
  return low === high ? `is ${low}` : `can be ${low} to ${high}`;
};

/** By category; the first rule whose pattern fits the message, if it has one. */
const RULES: readonly {
  readonly category: Rejection["category"];
  readonly pattern?: RegExp;
  readonly explain: (facts: Facts, match: RegExpMatchArray | null) => Explanation;
}[] = [
  {
    category: "uninit-reg",
    explain: ({ rejection }) => ({
      problem: `on one path nothing was stored in what is used here (r${rejection.register ?? "?"})`,
      remedy: "give the variable a value on every path that leads here",
    }),
  },
  {
    category: "null-check",
    explain: ({ reg }) => ({
      problem: `this may be null here: ${reg?.map?.name === undefined ? "it" : `a lookup in ${reg.map.name}`} has not been checked on this path`,
      remedy: "check it first: if (value === undefined) return;",
    }),
  },
  {
    category: "map-bounds",
    pattern: /min value is negative, either use unsigned or|unbounded memory access, use/,
    explain: ({ reg }) => ({
      problem: `this length may be too large or negative: it ${reg === undefined ? "is not limited" : boundsOf(reg)}`,
      remedy: "limit it first: if (length > LIMIT) return; or mask it",
    }),
  },
  {
    category: "map-bounds",
    explain: ({ reg }) => ({
      problem:
        reg?.map === undefined
          ? "this access may lie outside the memory it goes to"
          : `this access may lie outside the map value: its offset ${boundsOf(reg)}, the value has ${reg.map.value} bytes`,
      remedy: "check the index against the length first, or mask it",
    }),
  },
  {
    category: "packet-bounds",
    pattern: /outside of the packet/,
    explain: ({ reg }) => ({
      problem: `the packet may end before these bytes: ${reg !== undefined && isPacket(reg.type) && reg.range > 0 ? `${reg.range} bytes are` : "none is"} known to be there`,
      remedy: "compare the address behind the last byte with the packet's end first",
    }),
  },
  {
    category: "ctx-access",
    pattern: /invalid bpf_context access off=(-?\d+) size=(\d+)/,
    explain: ({ program }, match) => ({
      problem: `programs of type ${program.type} may not access ${match?.[2]} bytes at offset ${match?.[1]} of their context`,
      remedy:
        "use the fields that the context's type offers, each in its own size, and write only those that are writable",
    }),
  },
  {
    category: "infinite-loop",
    explain: () => ({
      problem: "this loop never ends: a turn leaves every value as it was",
      remedy: "give it a constant bound: for (const i of range(…))",
    }),
  },
  {
    category: "too-complex",
    explain: () => ({
      problem: "there are too many paths through this program for the kernel to follow",
      remedy: "fewer or shorter loops, and fewer independent conditions inside of them",
    }),
  },
  {
    category: "ref-leak",
    explain: ({ program, rejection }) => explainLeak(program, rejection, (insn) => calledAt(program, insn)),
  },
  {
    category: "iterator",
    explain: () => ({
      problem:
        "the kernel's iterator is not what this call wants: it is begun once, asked while it lives, and destroyed once",
      remedy: "one loop for each: begin it before, destroy it on every way out",
    }),
  },
  {
    category: "scalar-deref",
    explain: ({ reg }) => ({
      problem: `a number is used as an address${reg === undefined ? "" : ` (${showReg(reg)})`}`,
    }),
  },
  {
    category: "stack-oob",
    explain: ({ rejection }) => ({
      problem: `the stack of 512 bytes does not allow this: ${rejection.message}`,
      remedy: "fewer or smaller local structures, and constant indexes into them",
    }),
  },
  {
    category: "helper-arg",
    pattern: /cannot use helper/,
    explain: ({ program, rejection }) => {
      const called = calledAt(program, rejection.failingInsn);
      const since = called && callableSince(program.type, program.attach, called);
      const { entry } = program;
      if (called && entry && isForbidden(entry.ops, entry.member, called)) {
        const mayOthers = opsStruct(entry.ops)?.helpers.includes(called) === true;
        return {
          problem: `${mayOthers ? "this handler" : `a function of struct ${entry.ops}`} may not call ${named(called)}`,
          remedy: mayOthers ? "call it in another handler" : "leave it out",
        };
      }
      return {
        problem: `programs of type ${program.type} may not call ${named(called) ?? "this"} on Linux ${program.release}`,
        ...(since && !hasCome(since, program.release)
          ? { remedy: `leave it out, or ask for newer kernels alone: --kernel ${since}` }
          : {}),
      };
    },
  },
  {
    category: "other",
    pattern: /^invalid func/,
    explain: ({ program, rejection }) => {
      const called = calledAt(program, rejection.failingInsn);
      const since = called && helperSince(called);
      return since === undefined
        ? { problem: `Linux ${program.release} has no such helper` }
        : {
            problem: `${named(called)} came with Linux ${since}, and Linux ${program.release} has not got it`,
            remedy: `leave it out, or ask for newer kernels alone: --kernel ${since}`,
          };
    },
  },
  {
    category: "other",
    pattern: KFUNC_REFUSED,
    explain: ({ program, rejection }) => {
      const name = KFUNC_REFUSED.exec(rejection.message)![1]!;
      const since = Object.hasOwn(KFUNCS, name) ? KFUNCS[name as KfuncName].since : undefined;
      return since !== undefined && !hasCome(since, program.release)
        ? {
            problem: `the kernel's ${name} is there for programs since Linux ${since}, and Linux ${program.release} has not got it`,
            remedy: `leave it out, or ask for newer kernels alone: --kernel ${since}`,
          }
        : { problem: `programs of type ${program.type} may not call the kernel's ${name}` };
    },
  },
  {
    category: "other",
    pattern: /^(?:maps|programs) of type \S+ are not known$/,
    explain: ({ program, rejection }) => ({ problem: `${rejection.message} to Linux ${program.release}` }),
  },
  {
    category: "helper-arg",
    explain: ({ program, rejection, reg }) => ({
      problem: `${named(calledAt(program, rejection.failingInsn)) ?? "the helper"} does not take ${reg === undefined ? "this argument" : `${typeName(reg)} as argument ${rejection.register}`}: ${rejection.message}`,
    }),
  },
  {
    category: "other",
    pattern: /At program exit/,
    explain: ({ program, reg }) => ({
      problem: `programs of type ${program.type} return ${returnRange(program.type, program.attach)?.join(" to ") ?? "a number"}; this one may return ${reg === undefined ? "something else" : showReg(reg)}`,
      remedy: "return one of the allowed numbers on every path",
    }),
  },
];

/** Says a rejection in words. */
export function explain(program: Program, rejection: Rejection): Explanation {
  const facts: Facts = { program, rejection, reg: regOf(rejection) };
  for (const rule of RULES) {
    if (rule.category !== rejection.category) continue;
    const match = rule.pattern === undefined ? null : rejection.message.match(rule.pattern);
    if (rule.pattern !== undefined && match === null) continue;
    return rule.explain(facts, match);
  }
  return { problem: rejection.message };
}
