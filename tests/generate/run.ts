/** Runs a compiled generated program and compares all that it leaves behind with the evaluator, run by run. */
import type { BpfModule, MapSpec } from "../../compiler/module.ts";
import { sizeOf } from "../../compiler/layout.ts";
import { createMachine, drawFault } from "../../runtime/vm/machine.ts";
import type { Program } from "./ast.ts";
import { evaluate, newWorld, type Value } from "./evaluate.ts";
import type { Inputs } from "./inputs.ts";
import { decode, encode, show } from "./layout.ts";

/** Where compiled code runs: the virtual machine, or the kernel. Keys and values are bytes. */
export interface Runner {
  write(map: string, key: Uint8Array, value: Uint8Array): void;
  read(map: string): readonly { readonly key: Uint8Array; readonly value: Uint8Array }[];
  /** A mutable global, or undefined where it cannot be read. */
  global(name: string): Uint8Array | undefined;
  /** Runs once; a message when it failed. */
  run(): string | undefined;
  close(): void;
}

export function machineRunner(module: BpfModule, program: string): Runner {
  const machine = createMachine(module, {
    services: { cpus: 1, cpu: () => 0, now: () => 1n, random: () => 4, print: () => undefined },
  });
  const globals = new Map(module.globals.map((global) => [global.name, global]));
  return {
    write: (map, key, value) => void machine.maps.get(map)!.write(key, [value]),
    read(name) {
      const map = machine.maps.get(name)!;
      return [...map.keys()].map((key) => ({ key, value: map.read(key)![0]!.slice() }));
    },
    global(name) {
      const found = globals.get(name);
      const section = found && machine.section(found.section);
      return section && section.slice(found.offset, found.offset + sizeOf(found.layout));
    },
    run() {
      const outcome = machine.run(program, { read: () => 0, services: { socket: {} } });
      if (!outcome.ok) return drawFault(outcome.fault);
      return outcome.returned === 1 ? undefined : `returned ${outcome.returned}`;
    },
    close: () => undefined,
  };
}

const ZERO_KEY = new Uint8Array(4);
const specOf = (module: BpfModule, name: string): MapSpec => module.maps.find((map) => map.name === name)!;
const keyOf = (key: bigint): Uint8Array => encode({ kind: "int", bits: 32, signed: false }, key);

/** Everything the program left, as text by name: equal exactly when all of it is equal. */
export function snapshot(module: BpfModule, program: Program, runner: Runner): Map<string, string> {
  const seen = new Map<string, string>();
  const value = (map: string, bytes: Uint8Array): Value => decode(specOf(module, map).value!, bytes);
  const output = runner.read("output").find(({ key }) => key[0] === 0)!;
  seen.set("output", show(value("output", output.value)));
  for (const { name } of program.maps) {
    const entries = runner
      .read(name)
      .map(
        (entry) =>
          [
            new DataView(entry.key.buffer, entry.key.byteOffset).getUint32(0, true),
            show(value(name, entry.value)),
          ] as const,
      );
    seen.set(name, list(entries));
  }
  for (const { name } of program.globals) {
    const bytes = runner.global(name);
    const layout = module.globals.find((global) => global.name === name)?.layout;
    if (bytes && layout) seen.set(name, show(decode(layout, bytes)));
  }
  return seen;
}
const list = (entries: readonly (readonly [number, string])[]): string =>
  [...entries]
    .sort(([a], [b]) => a - b)
    .map(([key, text]) => `${key}: ${text}`)
    .join("; ");

function prepare(module: BpfModule, runner: Runner, inputs: Inputs): void {
  for (const [name, content] of inputs.entries) {
    for (const [key, value] of content) runner.write(name, keyOf(key), encode(specOf(module, name).value!, value));
  }
}
const feed = (module: BpfModule, runner: Runner, input: Value): void =>
  runner.write("input", ZERO_KEY, encode(specOf(module, "input").value!, input));

/** What one run left behind, as `snapshot()` says it, or why it failed. */
export interface Observed {
  readonly problem?: string;
  readonly seen: ReadonlyMap<string, string>;
}

/** What every run must leave behind: the evaluator's word. */
export function expected(program: Program, inputs: Inputs): readonly Observed[] {
  const world = newWorld(program);
  for (const [name, content] of inputs.entries) {
    for (const [key, value] of content) world.maps.get(name)!.set(key, structuredClone(value));
  }
  return inputs.runs.map((input) => {
    Object.assign(world.input, structuredClone(input));
    evaluate(program, world);
    const seen = new Map<string, string>([["output", show(world.output)]]);
    for (const [name, content] of world.maps) {
      seen.set(name, list([...content].map(([key, value]) => [Number(key), show(value)] as const)));
    }
    for (const [name, value] of world.globals) seen.set(name, show(value));
    return { seen };
  });
}

/** What compiled code leaves behind, run by run; the first failure is the last. */
export function observed(module: BpfModule, program: Program, runner: Runner, inputs: Inputs): readonly Observed[] {
  prepare(module, runner, inputs);
  const all: Observed[] = [];
  for (const input of inputs.runs) {
    feed(module, runner, input);
    const problem = runner.run();
    if (problem !== undefined) return [...all, { problem, seen: new Map() }];
    all.push({ seen: snapshot(module, program, runner) });
  }
  return all;
}

/** The first difference, in words; undefined: there is none. What only one side can see is not compared. */
export function difference(
  what: string,
  ours: readonly Observed[],
  other: string,
  theirs: readonly Observed[],
): string | undefined {
  for (const [run, { problem, seen }] of ours.entries()) {
    const there = theirs[run]!;
    if (problem !== there.problem)
      return `run ${run}: ${what}: ${problem ?? "fine"}, ${other}: ${there.problem ?? "fine"}`;
    for (const [name, text] of seen) {
      const said = there.seen.get(name);
      if (said !== undefined && said !== text) return `run ${run}: ${name}\n  ${what}: ${text}\n  ${other}: ${said}`;
    }
  }
  return undefined;
}

/** What differs from the evaluator, or undefined. */
export const compareWithEvaluator = (
  module: BpfModule,
  program: Program,
  runner: Runner,
  inputs: Inputs,
): string | undefined =>
  difference("got", observed(module, program, runner, inputs), "expected", expected(program, inputs));
