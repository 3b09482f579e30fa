/** Which capabilities the commands take (capabilities(7)), and what this process has of them. */
import { readFileSync } from "node:fs";

/** Bit numbers of include/uapi/linux/capability.h. */
export const CAPABILITIES = { CAP_NET_ADMIN: 12, CAP_SYS_ADMIN: 21, CAP_PERFMON: 38, CAP_BPF: 39 } as const;
export type Capability = keyof typeof CAPABILITIES;

export interface Needs {
  /** Without these the command fails. The folder of pins must be the caller's own, or root's and readable. */
  readonly all: readonly Capability[];
  /** What more takes which. */
  readonly more?: readonly (readonly [what: string, capability: Capability])[];
}
const TYPES = ["types of maps", "CAP_SYS_ADMIN"] as const;
const BY_ID = ["maps and links by id", "CAP_SYS_ADMIN"] as const;
const EVERYTHING = ["what others have loaded", "CAP_SYS_ADMIN"] as const;
const LOGS = ["programs that log", "CAP_PERFMON"] as const;

/** By command; a test runs each with exactly its set, and with less. CAP_SYS_ADMIN stands for CAP_BPF and CAP_PERFMON too. */
export const NEEDS = {
  run: { all: ["CAP_BPF", "CAP_NET_ADMIN"], more: [LOGS] },
  /** In its own network namespace; to enter another's takes CAP_SYS_ADMIN. */
  "run --backend netlink": { all: ["CAP_NET_ADMIN"], more: [["--netns", "CAP_SYS_ADMIN"]] },
  load: { all: ["CAP_BPF", "CAP_NET_ADMIN"], more: [LOGS] },
  list: { all: [], more: [EVERYTHING] },
  show: { all: [], more: [EVERYTHING, ["counting runs", "CAP_SYS_ADMIN"]] },
  "map get": { all: [], more: [TYPES, BY_ID] },
  "map set": { all: [], more: [TYPES, BY_ID] },
  "map delete": { all: [], more: [TYPES, BY_ID] },
  "map dump": { all: [], more: [TYPES, BY_ID] },
  trace: { all: [], more: [TYPES] },
  detach: { all: [], more: [BY_ID] },
  doctor: { all: ["CAP_BPF", "CAP_NET_ADMIN"], more: [["programs that log", "CAP_PERFMON"]] },
} as const satisfies Record<string, Needs>;
export type CommandWithNeeds = keyof typeof NEEDS;

/** For the help of a command, with what its options take. */
export function needsText(command: CommandWithNeeds): string {
  const variants = Object.entries<Needs>(NEEDS).filter(([name]) => name === command || name.startsWith(`${command} -`));
  return variants
    .map(([name, { all, more = [] }]) => {
      const base = all.length === 0 ? "no capability where the pins are the caller's own" : all.join(", ");
      const takes = [base, ...more.map(([what, capability]) => `${capability} for ${what}`)].join("; ");
      return `\n${name === command ? "Takes, without root" : `With ${name.slice(command.length + 1)}`}: ${takes}.`;
    })
    .join("");
}

/** Those of a list that this process lacks. */
export function lacking(wanted: readonly Capability[]): readonly Capability[] {
  const effective = /^CapEff:\s*([0-9a-f]+)/m.exec(readFileSync("/proc/self/status", "latin1"))?.[1] ?? "0";
  const has = (name: Capability): boolean => ((BigInt(`0x${effective}`) >> BigInt(CAPABILITIES[name])) & 1n) === 1n;
  const isCovered = (name: Capability): boolean =>
    has(name) || ((name === "CAP_BPF" || name === "CAP_PERFMON") && has("CAP_SYS_ADMIN"));
  return wanted.filter((name) => !isCovered(name));
}
