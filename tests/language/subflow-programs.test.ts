/**
 * Programs made at random of loops over subflows and what may stand in them, run by the machine and by JavaScript: the same subflows are chosen. The machine
 * faults where an iterator is left behind or asked after its end, and `compile` asks the verifier. SUBFLOW_PROGRAMS: how many, SUBFLOW_SEED: from which on.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runInNewContext } from "node:vm";
import { ts } from "ts-morph";
import { afterAll, expect, test } from "vitest";
import { createDice } from "../../runtime/testing/dice.ts";
import { load } from "../../runtime/testing/index.ts";
import type { SchedulerUnderTest } from "../../runtime/dsl/testing.d.ts";

const PROGRAMS = Number(process.env["SUBFLOW_PROGRAMS"] ?? 20);
const FIRST = Number(process.env["SUBFLOW_SEED"] ?? 1);
/** In one test. */
const EACH = 4;
const MOST_TURNS = 3;
/** Turns of all loops around a place: what is unrolled stays small. */
const MOST_UNROLLED = 9;

const folder = mkdtempSync(join(tmpdir(), "tsbpf-subflow-programs-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Helpers that programs call: early returns out of loops, subflows given and given back, what may be missing. */
const TOP = `
function withId(session: MptcpSock, id: u32): MptcpSubflow | undefined {
  for (const one of session.subflows(4)) if (one.subflowId === id) return one;
  return undefined;
}
function countAbove(session: MptcpSock, id: u32): u32 {
  let count: u32 = 0;
  for (const one of session.subflows(3)) {
    if (one.backup) continue;
    if (one.subflowId > id) count += 1;
    else if (count > 1) return count;
  }
  return count;
}
function later(one: MptcpSubflow, other: MptcpSubflow | undefined): MptcpSubflow {
  if (!other) return one;
  return one.subflowId > other.subflowId ? one : other;
}
const twice = (value: u32): u32 => (value + value) & 0xff;
`;

/** What is in scope where a statement is made. */
interface Scope {
  readonly numbers: readonly string[];
  readonly subflows: readonly string[];
  /** Loops around, from the outermost: their labels; what stands in a switch leaves that by \`break\`. */
  readonly loops: readonly string[];
  readonly inSwitch: boolean;
  readonly unrolled: number;
  readonly depth: number;
}

function program(seed: number): string {
  const dice = createDice(seed * 7919);
  const below = (most: number): number => Math.floor(dice() * most);
  const one = <T>(list: readonly T[]): T => list[below(list.length)]!;
  let names = 0;
  const fresh = (kind: string): string => `${kind}${names++}`;

  /** Numbers stay below 256, where JavaScript's are the language's. */
  function number(scope: Scope, depth = 2): string {
    const leaves = [String(below(8)), ...scope.numbers, ...scope.subflows.map((s) => `${s}.subflowId`)];
    if (depth === 0 || dice() < 0.4) return one(leaves);
    const [a, b] = [number(scope, depth - 1), number(scope, depth - 1)];
    return one([
      `((${a} + ${b}) & 0xff)`,
      `(${a} ^ ${b})`,
      `twice(${a})`,
      `(${condition(scope, depth - 1)} ? ${a} : ${b})`,
      `countAbove(session, ${a})`,
      `(withId(session, ${a})?.subflowId ?? ${b})`,
    ]);
  }
  function condition(scope: Scope, depth = 2): string {
    const [a, b] = [number(scope, Math.max(0, depth - 1)), number(scope, 0)];
    const kinds = [
      `(${a} ^ total) ${one(["<", ">", "===", "!==", "<="])} ${b}`,
      "kept !== undefined",
      `((${a} ^ total) & 1) === 0`,
    ];
    for (const s of scope.subflows) kinds.push(`${s}.backup`, `!${s}.isActive()`, `kept === ${s}`);
    if (depth > 0) kinds.push(`${condition(scope, depth - 1)} ${one(["&&", "||"])} ${condition(scope, depth - 1)}`);
    return `(${one(kinds)})`;
  }

  function block(scope: Scope, most = 3): string {
    let inner = scope;
    const lines: string[] = [];
    for (let left = 1 + below(most); left > 0; left--) {
      const made = statement(inner);
      lines.push(made.text);
      if (made.number) inner = { ...inner, numbers: [...inner.numbers, made.number] };
      if (made.ends) break;
    }
    return lines.join("\n");
  }
  const deeper = (scope: Scope, more: Partial<Scope> = {}): Scope => ({ ...scope, depth: scope.depth + 1, ...more });

  function statement(scope: Scope): { readonly text: string; readonly number?: string; readonly ends?: boolean } {
    const plain: (() => ReturnType<typeof statement>)[] = [
      () => ({ text: `total = ${number(scope)};` }),
      () => ({ text: `total = (total + ${number(scope)}) & 0xff;` }),
      () => {
        const name = fresh("n");
        return { text: `const ${name}: u32 = ${number(scope)};`, number: name };
      },
      () => ({ text: `kept?.schedule();` }),
      () => ({ text: `kept = withId(session, ${number(scope, 1)});` }),
      () => ({ text: `if (kept) { total = (total ^ kept.subflowId) & 0xff; kept.schedule(); }` }),
      ...scope.subflows.flatMap((s) => [
        () => ({ text: `${s}.schedule();` }),
        () => ({ text: `kept = ${s};` }),
        () => ({ text: `kept = later(${s}, kept);` }),
        () => ({ text: `if (${s}.tcp && ${s}.tcp.sndCwnd > ${number(scope, 1)}) total = ${number(scope, 1)};` }),
      ]),
    ];
    const leaving: (() => ReturnType<typeof statement>)[] = [
      () => ({ text: `session.sndBurst = i32(total); return ${condition(scope, 1)};`, ends: true }),
    ];
    if (scope.loops.length > 0) {
      leaving.push(
        () => ({ text: `continue;`, ends: true }),
        () => ({ text: `break;`, ends: true }),
        () => ({ text: `${one(["break", "continue"])} ${one(scope.loops)};`, ends: true }),
      );
    } else if (scope.inSwitch) leaving.push(() => ({ text: `break;`, ends: true }));
    const nested: (() => ReturnType<typeof statement>)[] = [
      () => ({ text: `if ${condition(scope)} {\n${block(deeper(scope))}\n}` }),
      () => ({ text: `if ${condition(scope)} {\n${block(deeper(scope))}\n} else {\n${block(deeper(scope))}\n}` }),
      () => {
        const cases = Array.from({ length: 1 + below(3) }, (_, index) => {
          const body = block(deeper(scope, { inSwitch: true }), 2);
          return `case ${index}: {\n${body}\n${/\b(?:break|continue|return)[^\n]*$/.test(body) ? "" : "break;"}\n}`;
        });
        return {
          text: `switch (${number(scope, 1)} & 3) {\n${cases.join("\n")}\ndefault:\ntotal = ${number(scope, 0)};\n}`,
        };
      },
    ];
    const turns = 1 + below(MOST_TURNS);
    if (scope.unrolled * turns <= MOST_UNROLLED)
      for (let again = 0; again < 3; again++)
        nested.push(() => {
          const label = fresh("L");
          const loops = [...scope.loops, label];
          const isOfSubflows = dice() < 0.7;
          const name = fresh(isOfSubflows ? "s" : "i");
          const inner = deeper(scope, {
            loops,
            inSwitch: false,
            unrolled: scope.unrolled * turns,
            ...(isOfSubflows ? { subflows: [...scope.subflows, name] } : { numbers: [...scope.numbers, name] }),
          });
          const over = isOfSubflows ? `session.subflows(${turns})` : `range(${turns})`;
          const body = block(inner, 4);
          // A label that nobody uses is a mistake.
          const named = new RegExp(`(?:break|continue) ${label};`).test(body) ? `${label}: ` : "";
          return { text: `${named}for (const ${name} of ${over}) {\n${body}\n}` };
        });
    if (scope.depth < 3 && dice() < 0.4) return one(nested)();
    if (scope.depth > 0 && dice() < 0.15) return one(leaving)();
    return one(plain)();
  }

  const scope: Scope = { numbers: ["total"], subflows: [], loops: [], inSwitch: false, unrolled: 1, depth: 0 };
  const body = Array.from({ length: 4 }, () => block(scope, 1)).join("\n");
  return `let total: u32 = 0;\nlet kept = withId(session, 9);\n${body}\nsession.sndBurst = i32(total);\nreturn total !== 3;`;
}

const SUBFLOWS = [
  { backup: false, stale: false, tcp: { sndCwnd: 10 } },
  { backup: true, stale: false, tcp: { sndCwnd: 3 } },
  { backup: false, stale: true, tcp: { sndCwnd: 200 } },
  { backup: false, stale: false, tcp: { sndCwnd: 0 } },
] as const;

/** What JavaScript makes of it: the ids that are chosen, and what is left in sndBurst. */
function byJavaScript(body: string, count: number): { readonly ids: readonly number[]; readonly burst: number } {
  const subflows = SUBFLOWS.slice(0, count).map((one, index) => ({
    ...one,
    subflowId: index + 1,
    scheduled: false,
    isActive: () => !one.stale,
    schedule() {
      this.scheduled = true;
    },
  }));
  const session = { sndBurst: 0, subflows: (most: number) => subflows.slice(0, most) };
  const text = `${TOP}\n(function getSend(session: any): boolean {\n${body}\n})`;
  const { outputText } = ts.transpileModule(text, { compilerOptions: { target: ts.ScriptTarget.ES2022 } });
  const range = (most: number): number[] => Array.from({ length: most }, (_, index) => index);
  const getSend = runInNewContext(outputText, { range, i32: (value: number) => value | 0 }) as (on: object) => boolean;
  const found = getSend(session);
  return {
    ids: found ? subflows.filter((one) => one.scheduled && !one.stale).map(({ subflowId }) => subflowId) : [],
    burst: session.sndBurst,
  };
}

const firsts = Array.from({ length: Math.ceil(PROGRAMS / EACH) }, (_, index) => FIRST + index * EACH);
test.each(firsts)("programs from %i on choose as JavaScript does", async (from) => {
  const end = Math.min(from + EACH, FIRST + PROGRAMS);
  let ran = 0;
  for (let seed = from; seed < end; seed++) {
    const body = program(seed);
    const path = join(folder, `p${seed}.ts`);
    writeFileSync(
      path,
      `import { i32, license, range, u32 } from "tsbpf";
import { scheduler, type MptcpSock, type MptcpSubflow } from "tsbpf/mptcp";
license("GPL");
${TOP}
export const chooses = scheduler({ getSend(session) {\n${body}\n} });
`,
    );
    const loaded = await load(path).catch((error: unknown) => {
      // TypeScript knows that there is none in a branch that is never taken, or that a statement is never reached.
      if (/error\[type-error\]: (?:never has no|this code is never reached)/.test(String(error))) return undefined;
      throw new Error(`seed ${seed}: ${String(error)}\n${body}`);
    });
    if (!loaded) continue;
    ran++;
    const chooses = loaded["chooses"] as SchedulerUnderTest;
    for (const count of [0, 1, 2, 4]) {
      const session = chooses.session({ subflows: SUBFLOWS.slice(0, count) });
      const ids = chooses.getSend(session).map(({ subflowId }) => subflowId);
      const found = { ids, burst: session.sndBurst };
      expect(found, `seed ${seed}, ${count} subflows\n${body}`).toEqual(byJavaScript(body, count));
    }
  }
  expect(ran).toBeGreaterThan(0);
});
