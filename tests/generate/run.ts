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
      const outcome = machine.runSockOps(program, { read: () => 0, services: { socket: {} } });
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

const difference = (
  what: string,
  run: number,
  ours: Map<string, string>,
  theirs: Map<string, string>,
): string | undefined => {
  for (const [name, text] of ours) {
    const other = theirs.get(name);
    if (other !== undefined && other !== text) return `run ${run}: ${name}\n  ${what}: ${text}\n  expected: ${other}`;
  }
  return undefined;
};

/** What differs from the evaluator, or undefined. */
export function compareWithEvaluator(
  module: BpfModule,
  program: Program,
  runner: Runner,
  inputs: Inputs,
): string | undefined {
  const world = newWorld(program);
  for (const [name, content] of inputs.entries) {
    for (const [key, value] of content) world.maps.get(name)!.set(key, structuredClone(value));
  }
  prepare(module, runner, inputs);
  for (const [run, input] of inputs.runs.entries()) {
    Object.assign(world.input, structuredClone(input));
    feed(module, runner, input);
    evaluate(program, world);
    const problem = runner.run();
    if (problem !== undefined) return `run ${run}: ${problem}`;
    const expected = new Map<string, string>([["output", show(world.output)]]);
    for (const [name, content] of world.maps) {
      expected.set(name, list([...content].map(([key, value]) => [Number(key), show(value)] as const)));
    }
    for (const [name, value] of world.globals) expected.set(name, show(value));
    const found = difference("got", run, snapshot(module, program, runner), expected);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** What differs between two compilations of one program, or undefined. */
export function compareRunners(
  program: Program,
  first: { readonly module: BpfModule; readonly runner: Runner },
  second: { readonly module: BpfModule; readonly runner: Runner },
  inputs: Inputs,
): string | undefined {
  for (const { module, runner } of [first, second]) prepare(module, runner, inputs);
  for (const [run, input] of inputs.runs.entries()) {
    const problems = [first, second].map(({ module, runner }) => {
      feed(module, runner, input);
      return runner.run();
    });
    if (problems[0] !== problems[1]) return `run ${run}: "${problems[0]}" but "${problems[1]}"`;
    const found = difference(
      "optimized",
      run,
      snapshot(second.module, program, second.runner),
      snapshot(first.module, program, first.runner),
    );
    if (found !== undefined) return found;
  }
  return undefined;
}
