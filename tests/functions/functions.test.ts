/** Functions that stay functions: the same results as in place, objects that loaders take, and when they stay. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { compile, type CompileOptions } from "../../compiler/compile.ts";
import type { BpfModule } from "../../compiler/module.ts";
import { listing } from "../../compiler/object/listing.ts";
import { readObject } from "../../compiler/object/read.ts";
import { writeObject } from "../../compiler/object/write.ts";
import { createMachine } from "../../runtime/vm/machine.ts";
import { bpftool, libbpf, unpinned } from "../object/kernel.ts";

const loader = bpftool();
const library = libbpf(loader);

const SOURCE = `import { ArrayMap, HashMap, array, license, struct, u8, u32, u64, range } from "tsbpf";
import { sockOps, type SockOpsCtx } from "tsbpf/tcp";
license("GPL");
class Pair extends struct({ a: u32, b: u32 }) {}
class Many extends struct({ list: array(Pair, 4), used: u8 }) {}
export const results = new ArrayMap({ value: u64, maxEntries: 4 });
export const pairs = new HashMap({ key: u32, value: Pair, maxEntries: 8 });
let count: u32 = 0;
/** Null or not, by what the map holds. */
function sum(key: u32): u32 {
  const found = pairs.get(key);
  if (!found) return 1000 + key;
  found.a += 1;
  count += 1;
  return found.a * 3 + found.b;
}
/** Writes through a reference to the caller's variable, and reads it again. */
function shift(pair: Pair, by: u32): void {
  const before = pair.a;
  pair.a = pair.b + by;
  pair.b = before ^ (by * 7);
  if (pair.a > 100) pair.b += count;
}
function note(many: Many, value: u32, wide: u64): u64 {
  let total: u64 = wide;
  for (const slot of many.list) {
    shift(slot, value);
    total += u64(slot.a) * 5n;
  }
  shift(many.list[1], u32(u8(value)));
  return total;
}
function mss(ctx: SockOpsCtx, more: u32): u32 {
  return ctx.mss + more * 2 + ctx.localPort;
}
export const program = sockOps((ctx) => {
  pairs.set(7, new Pair({ a: 5, b: 6 }));
  const many = new Many();
  const one = new Pair({ a: sum(7), b: sum(8) });
  shift(one, 3);
  shift(one, sum(7));
  let total: u64 = note(many, one.a, 9n);
  total += note(many, sum(9), total);
  for (const i of range(3)) total += u64(mss(ctx, i) + sum(7));
  results.set(0, total);
  results.set(1, u64(many.list[1].a) + u64(many.list[3].b) * 65536n);
  results.set(2, u64(one.a) * 65536n + u64(one.b));
  results.set(3, u64(count));
  return 1;
});
`;

function compiled(functions: CompileOptions["functions"], text = SOURCE, options: CompileOptions = {}): BpfModule {
  const result = compile({ path: "functions.ts", text }, { ...options, ...(functions ? { functions } : {}) });
  expect(result.diagnostics.filter(({ severity }) => severity === "error").map(({ message }) => message)).toEqual([]);
  return result.module!;
}
const names = ({ programs }: BpfModule): string[] => programs[0]!.functions.map(({ name }) => name);

function results(module: BpfModule): bigint[] {
  const machine = createMachine(module, {
    services: { cpus: 1, cpu: () => 0, now: () => 1n, random: () => 4, print: () => undefined },
  });
  const outcome = machine.run("program", { read: (field) => field.length * 31, services: { socket: {} } });
  expect(outcome.ok).toBe(true);
  return [0, 1, 2, 3].map((key) => {
    const bytes = machine.maps.get("results")!.read(new Uint8Array([key, 0, 0, 0]))![0]!;
    return new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  });
}

test("what functions do does not depend on whether they are in place", () => {
  const kept = compiled("keep");
  expect(names(kept)).toEqual(expect.arrayContaining(["program", "sum", "shift", "note", "mss"]));
  expect(names(compiled("inline"))).toEqual(["program"]);
  expect(results(kept)).toEqual(results(compiled("inline")));
  expect(
    results(compiled("keep", SOURCE, { withoutPasses: ["cse", "dead-stores", "promote", "share-slots"] })),
  ).toEqual(results(kept));
  expect(kept.programs[0]!.insns.length).toBeLessThan(compiled("inline").programs[0]!.insns.length);
});

test("the object reads back equal, and the listing names each function", () => {
  const kept = compiled("keep");
  const { module: read, problems } = readObject(writeObject(kept));
  expect(problems).toEqual([]);
  expect(read!.programs[0]!.insns).toEqual(kept.programs[0]!.insns);
  expect(read!.programs[0]!.functions).toEqual(kept.programs[0]!.functions);
  for (const name of names(kept).slice(1)) expect(listing(read!)).toContain(`call ${name}\n`);
});

test.skipIf(!library.available)(`libbpf loads it${library.reason}`, () => {
  const kept = compiled("keep");
  const line = library.load(writeObject(kept)).find((each) => each.startsWith("program program "));
  expect(line).toContain(` slots=${kept.programs[0]!.insns.length} `);
});

test.skipIf(!loader.available)(`bpftool shows the signature and the lines of each function${loader.reason}`, () => {
  const kept = compiled("keep");
  loader.load(writeObject(unpinned(kept)), (pin) => {
    const shown = loader.run("prog", "dump", "xlated", "pinned", pin("program"), "linum");
    expect(shown).toContain("__u32 sum(__u32 key):");
    expect(shown).toContain("void shift(void * pair, __u32 by):");
    expect(shown).toContain("__u64 note(void * many, __u32 value, __u64 wide):");
    expect(shown).toContain("__u32 mss(struct bpf_sock_ops * ctx, __u32 more):");
    expect(shown).toContain("; pair.a = pair.b + by; [file:functions.ts");
  });
});

describe("when they stay", () => {
  const HEAD =
    'import { array, i32, license, struct, u32 } from "tsbpf";\nimport { sockOps } from "tsbpf/tcp";\nlicense("GPL");\n';

  test("a function that is called once, or does little, does not", () => {
    const text = `${HEAD}function once(x: u32): u32 { return (x * 31 + 7) % 1000 + (x >> 3) * 5 + (x & 12) * 9; }
function little(x: u32): u32 { return x + 1; }
export const program = sockOps((ctx) => { ctx.reply = i32((once(ctx.mss) + little(ctx.mss) + little(ctx.localPort)) & 0xffff); return 1; });`;
    expect(names(compiled(undefined, text))).toEqual(["program"]);
  });

  test("what can only be proven where it is called is put there", () => {
    const text = `${HEAD}class List extends struct({ list: array(u32, 4) }) {}
function put(l: List, at: u32, v: u32): u32 { l.list[at] = v; return l.list[0] * 3 + l.list[1] * 5 + l.list[2] + l.list[3]; }
export const program = sockOps((ctx) => { const l = new List(); ctx.reply = i32((put(l, 1, ctx.mss) + put(l, 3, ctx.localPort)) & 0xffff); return 1; });`;
    expect(names(compiled("keep", text))).toEqual(["program"]);
  });

  test("a reference to a function's own variable is not given back through a call", () => {
    const text = `${HEAD}class Pair extends struct({ a: u32, b: u32 }) {}
function made(a: u32): Pair { const p = new Pair({ a, b: a * 3 }); p.b += p.a ^ 9; return p; }
export const program = sockOps((ctx) => { ctx.reply = i32((made(ctx.mss).b + made(ctx.localPort).a) & 0xffff); return 1; });`;
    expect(names(compiled("keep", text))).toEqual(["program"]);
  });

  test("a program that would not hold otherwise has them", () => {
    const steps = Array.from({ length: 60 }, (_, i) => `  x = (x * ${i + 3}) ^ (x >> ${(i % 7) + 1});`).join("\n");
    const calls = Array.from({ length: 40 }, (_, i) => `  r += mix(r + ${i});`).join("\n");
    const text = `${HEAD}function mix(v: u32): u32 {\n  let x = v;\n${steps}\n  return x;\n}
export const program = sockOps((ctx) => {\n  let r: u32 = ctx.mss;\n${calls}\n  ctx.reply = i32(r & 0xffff);\n  return 1;\n});`;
    const { diagnostics } = compile({ path: "large.ts", text }, { functions: "inline" });
    expect(diagnostics.map(({ key }) => key)).toContain("too-many-instructions");
    expect(names(compiled(undefined, text))).toEqual(["program", "mix"]);
  });

  test("what one loop alone calls is put there, unless the program would not hold", () => {
    const steps = Array.from({ length: 60 }, (_, i) => `  x = (x * ${i + 3}) ^ (x >> ${(i % 7) + 1});`).join("\n");
    const text = (turns: number): string => `${HEAD}function mix(v: u32): u32 {\n  let x = v;\n${steps}\n  return x;\n}
export const program = sockOps((ctx) => {\n  let r: u32 = ctx.mss;\n  for (let i: u32 = 0; i < ${turns}; i++) r += mix(r + i);\n  ctx.reply = i32(r & 0xffff);\n  return 1;\n});`;
    expect(names(compiled(undefined, text(4)))).toEqual(["program"]);
    expect(names(compiled(undefined, text(40)))).toEqual(["program", "mix"]);
  });

  const mesh = readFileSync(join(import.meta.dirname, "../../programs/fullmesh.ts"), "utf8");

  test("fullmesh has less than 1,000 instructions; what is called in its loops alone is in place", () => {
    const [program] = compiled(undefined, mesh).programs;
    expect(program!.insns.length).toBeLessThan(1000);
    expect(program!.functions.map(({ name }) => name).sort()).toEqual([
      "connect4",
      "connect6",
      "fullmesh",
      "openFromAll",
      "remember",
    ]);
  });

  test("a mesh of 16 × 16 addresses builds", () => {
    const wide = mesh
      .replace("maxEntries: 8 }", "maxEntries: 16 }")
      .replace("array(RemoteAddr, 8)", "array(RemoteAddr, 16)");
    const [program] = compiled(undefined, wide).programs;
    expect(program!.insns.length).toBeLessThan(4096);
    expect(program!.stack).toBeLessThanOrEqual(512);
  });
});
