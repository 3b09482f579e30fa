/** Congestion controls of programs/ with and without passes, on connections and calls chosen by chance: they must do the same. */
import { isDeepStrictEqual } from "node:util";
import { describe, expect, test } from "vitest";
import { findMember, kernelTypes } from "../../compiler/bpf/kernel-types.ts";
import { compile } from "../../compiler/compile.ts";
import { optionalPasses } from "../../compiler/passes/pipeline.ts";
import { PROPERTIES } from "../../compiler/frontend/context-properties.ts";
import { createHistory } from "../../runtime/testing/history.ts";
import { createHost, servicesOf, type Host } from "../../runtime/testing/host.ts";
import { exportsOf, viewOf } from "../../runtime/testing/views.ts";
import { createMachine } from "../../runtime/vm/machine.ts";
import { randomNumbers } from "../generate/choices.ts";
import { programNames, sourceText } from "../programs.ts";
import { passSets } from "./without.ts";

type Socket = Record<string, unknown> & { readonly state?: Record<string, unknown> };
type View = Readonly<Record<string, (...args: readonly unknown[]) => unknown>> & { socket(): Socket };

function viewed(name: string, without: readonly string[], host: Host): View {
  const { module, diagnostics } = compile({ path: `${name}.ts`, text: sourceText(name) }, { withoutPasses: without });
  expect(diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
  const machine = createMachine(module!, { services: servicesOf(host, () => undefined), stepLimit: 1_000_000 });
  const found = exportsOf(module!)[0]!;
  return viewOf(found, { machine, host, history: createHistory(), steps: { last: 0, max: 0 } }, []) as View;
}

/** Numbers of the connection that a test may set, and the largest of each. */
const FIELDS = Object.entries(PROPERTIES.tcpSock).flatMap(([name, row]) => {
  if (!("member" in row) || row.member.as !== undefined) return [];
  const { type, bits } = findMember(kernelTypes(), "tcp_sock", row.member.member)!;
  if (type.kind !== "int") return [];
  const width = bits ?? type.bytes * 8;
  return [{ name, width, bool: width === 1 || type.bool === true }];
});

/** What is done with the connection, by a seed: some of its fields change, and a member is called. */
function* steps(
  fields: typeof FIELDS,
  members: string,
  seed: number,
  count: number,
): Generator<{
  readonly sets: readonly [string, unknown][];
  readonly call: string;
  readonly args: readonly unknown[];
}> {
  const next = randomNumbers(seed);
  const number = (): number => [0, 1, 2, 3, 4, 7, 10, 64, 1000, 100_000, next() >>> 0][next() % 11]!;
  const value = ({ width, bool }: (typeof FIELDS)[number]): unknown => {
    if (bool) return next() % 2 === 1;
    if (width === 64) return BigInt(number()) * BigInt(1 + (next() % 3));
    return number() % 2 ** Math.min(width, 32);
  };
  for (let step = 0; step < count; step++) {
    const sets = Array.from({ length: next() % 4 }, (): [string, unknown] => {
      const field = fields[next() % fields.length]!;
      return [field.name, value(field)];
    });
    const calls: readonly (readonly [string, ...unknown[]])[] = [
      ["init"],
      ["ssthresh"],
      ["congAvoid", number(), number() % 1000],
      ["setState", next() % 5],
      ["cwndEvent", next() % 7],
      ["inAckEvent", next() % 16],
      ["pktsAcked", { pktsAcked: number() % 1000, rttUs: number() % 2 ** 31, inFlight: number() % 10_000 }],
      ["undoCwnd"],
      ["minTsoSegs"],
      ["sndbufExpand"],
    ];
    const there = calls.filter(([member]) => new RegExp(`\\b${member}\\b`).test(members));
    const [call, ...args] = there[next() % there.length]!;
    yield { sets, call, args };
  }
}
/** What a program can have done to a connection. */
const seen = (fields: typeof FIELDS, sk: Socket): unknown => ({
  ...Object.fromEntries(fields.map(({ name }) => [name, sk[name]])),
  state: { ...sk.state },
  acks: [...(sk["acksSent"] as number[])],
  ecn: [...(sk["ecnFlagsOfAcks"] as number[])],
});
const outcome = (body: () => unknown): unknown => {
  try {
    return body();
  } catch (error) {
    return error instanceof Error ? error.name : "thrown";
  }
};

const controls = programNames.filter((name) => sourceText(name).includes('from "tsbpf/cc"'));
describe("congestion controls with and without passes", () => {
  test("there are some", () => expect(controls.length).toBeGreaterThan(4));
  test.each(controls)("%s", (name) => {
    const text = sourceText(name);
    const fields = FIELDS.filter((field) => new RegExp(`\\bsk\\.${field.name}\\b`).test(text));
    for (const without of [optionalPasses(), ...passSets(2).slice(1), ...passSets(3).slice(1)]) {
      const host = createHost({ now: 1_000_000_000n });
      const [whole, other] = [viewed(name, [], host), viewed(name, without, host)];
      for (let seed = 1; seed <= 10; seed++) {
        const [a, b] = [whole.socket(), other.socket()];
        for (const { sets, call, args } of steps(fields, text, seed, 200)) {
          for (const [field, value] of sets) a[field] = b[field] = value;
          const did = (view: View, sk: Socket): unknown => ({
            gives: outcome(() => view[call]?.(sk, ...args)),
            sk: seen(fields, sk),
          });
          const [first, second] = [did(whole, a), did(other, b)];
          if (!isDeepStrictEqual(first, second)) expect({ without, seed, call, ...(second as object) }).toEqual(first);
        }
      }
    }
  });
});
