/**
 * Damaged and hostile objects: reading never throws, never takes long, and always says something that a person can use.
 * `FUZZ=100000 npx vitest run tests/object/fuzz.test.ts` runs longer; `FUZZ_SEED` starts elsewhere.
 */
import { describe, expect, test } from "vitest";
import { SLOT_BYTES } from "../../compiler/bpf/raw.ts";
import { readElf, type ElfFile } from "../../compiler/object/elf.ts";
import { listing } from "../../compiler/object/listing.ts";
import { readObject } from "../../compiler/object/read.ts";
import { writeObject } from "../../compiler/object/write.ts";
import { CLANGS, cFile, compileC, hasClang } from "../bench/clang.ts";
import { clang } from "./kernel.ts";
import { handWritten, sample, withFunctions } from "./modules.ts";

const ROUNDS = Number(process.env["FUZZ"] ?? 2500);
const FIRST = Number(process.env["FUZZ_SEED"] ?? 1);
/** Generous, since machines that run tests are busy; a real hang takes minutes. */
const LONGEST_MS = 30_000;

/** mulberry32: small, seeded, good enough to pick bytes. */
function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const INTERESTING = [
  0, 1, 7, 8, 0x7f, 0xff, 0x100, 0xffff, 0x10000, 0x7fff_ffff, 0x8000_0000, 0xffff_fff8, 0xffff_ffff,
];

function mutate(original: Uint8Array, elf: ElfFile, next: () => number): Uint8Array {
  const pick = (most: number): number => Math.floor(next() * most);
  let bytes = original.slice();
  const word = (at: number, value: number): void => {
    if (at >= 0 && at + 4 <= bytes.length) new DataView(bytes.buffer).setUint32(at, value, true);
  };
  const headersAt = Number(new DataView(bytes.buffer).getBigUint64(40, true));
  for (let count = 1 + pick(4); count > 0; count--) {
    const section = elf.sections[1 + pick(elf.sections.length - 1)]!;
    const inside = section.data.byteOffset - original.byteOffset + pick(Math.max(section.data.length, 1));
    switch (pick(9)) {
      case 0:
        bytes[pick(bytes.length)]! ^= 1 << pick(8);
        break;
      case 1:
        bytes[pick(bytes.length)] = pick(256);
        break;
      case 2:
        word(pick(bytes.length), INTERESTING[pick(INTERESTING.length)]!);
        break;
      case 3:
        bytes = bytes.slice(0, pick(bytes.length));
        break;
      case 4: {
        // A piece of the file over another place.
        const from = pick(bytes.length);
        const piece = bytes.slice(from, from + pick(64));
        bytes.set(piece.subarray(0, Math.max(0, bytes.length - inside)), Math.min(inside, bytes.length));
        break;
      }
      case 5:
        word(headersAt + pick(elf.sections.length) * 64 + pick(16) * 4, INTERESTING[pick(INTERESTING.length)]!);
        break;
      case 6:
        word(inside & ~3, INTERESTING[pick(INTERESTING.length)]!);
        break;
      case 7:
        if (inside < bytes.length) bytes[inside] = pick(256);
        break;
      case 8:
        // A digit of the JSON, a character of a name, a register: values that stay plausible.
        if (inside < bytes.length) bytes[inside] = 0x30 + pick(10);
        break;
    }
    if (bytes.length < 48) break;
  }
  return bytes;
}

/** What is wrong with how an object was read, or undefined. */
function complaint(bytes: Uint8Array): string | undefined {
  const before = performance.now();
  try {
    const { module, problems } = readObject(bytes);
    if (!module && problems.length === 0) return "neither a module nor a problem";
    for (const { text, offset } of problems) {
      if (text === "" || text.includes("undefined") || text.includes("NaN")) return `a useless text: ${text}`;
      if (offset !== undefined && !(Number.isInteger(offset) && offset >= 0)) return `a useless offset: ${offset}`;
    }
    if (module) listing(module);
  } catch (error) {
    return (error as Error).stack ?? String(error);
  }
  const took = performance.now() - before;
  return took > LONGEST_MS ? `${Math.round(took)} ms` : undefined;
}

const compiler = clang();
const twins = CLANGS.find(hasClang);
const CLANG = `
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
struct task { int pid; } __attribute__((preserve_access_index));
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 4); __type(key, int); __type(value, long); } m SEC(".maps");
const volatile int limit = 4; int counter = 1; static long hidden;
static __attribute__((noinline)) long inner(struct task *t) { return t->pid + hidden++; }
SEC("sockops") int f(struct bpf_sock_ops *c) {
  int key = c->op; long *v = bpf_map_lookup_elem(&m, &key);
  bpf_printk("text %d", key);
  return (v ? *v + limit : counter) + inner((void *)c);
}
char LICENSE[] SEC("license") = "GPL";
`;

const corpus = (): readonly Uint8Array[] => [
  ...handWritten.map(([, module]) => writeObject(module)),
  ...(compiler.available ? [compiler.compile(CLANG), compiler.compile(CLANG, ["-mcpu=v4", "-O1"])] : []),
  // Congestion controls of clang's: structs of functions, CO-RE records, functions of the kernel's.
  ...(twins ? ["cubic", "dctcp"].map((file) => compileC(cFile(file), twins, "v3", "mainline")) : []),
];

test(`${ROUNDS} mutated objects are read without harm`, { timeout: 60_000 + ROUNDS * 100 }, () => {
  const objects = corpus().map((bytes) => {
    const elf = readElf(bytes);
    if ("problem" in elf) throw new Error(elf.problem.text);
    return { bytes, elf: elf.value };
  });
  let damaged = 0;
  for (let seed = FIRST; seed < FIRST + ROUNDS; seed++) {
    const { bytes, elf } = objects[seed % objects.length]!;
    const mutated = mutate(bytes, elf, random(seed));
    const found = complaint(mutated);
    expect(found, `seed ${seed}`).toBeUndefined();
    if (readObject(mutated).problems.length > 0) damaged++;
  }
  // Mutations that the reader never notices would prove nothing.
  expect(damaged).toBeGreaterThan(ROUNDS / 5);
});

test("every prefix of an object is read without harm", () => {
  const object = writeObject(withFunctions);
  for (let length = 0; length < object.length; length++) {
    const { module, problems } = readObject(object.subarray(0, length));
    expect(module).toBeUndefined();
    expect(problems.length).toBe(1);
  }
});

describe("what people pass by mistake", () => {
  const text = (value: string): Uint8Array => new TextEncoder().encode(value);
  const changed = (at: number, ...values: number[]): Uint8Array => {
    const bytes = writeObject(sample);
    bytes.set(values, at);
    return bytes;
  };
  test.each([
    ["an empty file", new Uint8Array(), "the file is empty"],
    ["a source", text("int main() {}"), "not an ELF file"],
    ["the start of an ELF file", changed(0).subarray(0, 20), "the ELF header is cut off: 20 of 64 bytes"],
    ["a 32-bit object", changed(4, 1), "a 32-bit ELF file; BPF objects are 64-bit"],
    ["a big-endian object", changed(5, 2), "a big-endian object; compile for bpfel (little-endian)"],
    [
      "a program of this machine",
      changed(18, 62, 0),
      "made for ELF machine 62, not for BPF (247): compile with -target bpf",
    ],
    ["a linked program", changed(16, 2, 0), "not a relocatable object (ET_REL)"],
  ])("%s", (_, bytes, message) => {
    expect(readObject(bytes)).toEqual({ problems: [{ text: message, offset: expect.any(Number) as number }] });
  });

  test("metadata of another object", () => {
    const renamed = Buffer.from(writeObject(sample)).toString("latin1").replace('"name":"counts"', '"name":"c0unts"');
    expect(readObject(Buffer.from(renamed, "latin1"))).toEqual({
      problems: [{ text: ".tsbpf does not fit the object: there is no map c0unts" }],
    });
  });

  test("a version of the metadata that is newer", () => {
    const newer = Buffer.from(writeObject(sample)).toString("latin1").replace('"version":1,', '"version":9,');
    expect(readObject(Buffer.from(newer, "latin1")).problems[0]!.text).toBe(
      ".tsbpf: version 9; this tsbpf reads version 1: use the newer one that made the object",
    );
  });

  test("code that is no whole number of instructions", () => {
    const bytes = writeObject(sample);
    const elf = readElf(bytes);
    if ("problem" in elf) throw new Error(elf.problem.text);
    const number = elf.value.sections.findIndex(({ name }) => name === "sockops");
    const view = new DataView(bytes.buffer);
    const size = Number(view.getBigUint64(40, true)) + number * 64 + 32;
    view.setBigUint64(size, view.getBigUint64(size, true) - BigInt(SLOT_BYTES / 2), true);
    expect(readObject(bytes).problems.length).toBeGreaterThan(0);
  });
});
