/** Faults to plant, one per area at least: the text of a source file that is changed, and the part of the suite that must notice. */
import type { Part } from "./suite.ts";

export interface PlantedFault {
  readonly area: string;
  readonly file: string;
  readonly find: string;
  readonly replace: string;
  /** Parts that must find it (others may, too). */
  readonly by: readonly Part[];
}

const vm = (file: string): string => `runtime/vm/${file}`;

export const PLANTED_FAULTS: readonly PlantedFault[] = [
  {
    area: "64-bit arithmetic",
    file: vm("interpret.ts"),
    find: "return s64(a) >> (b & 63n);",
    replace: "return a >> (b & 63n);",
    by: ["vectors", "agreement", "containment"],
  },
  {
    area: "32-bit arithmetic",
    file: vm("interpret.ts"),
    find: "return ((a | 0) >> (b & 31)) >>> 0;",
    replace: "return a >>> (b & 31);",
    by: ["vectors", "agreement", "containment"],
  },
  {
    area: "zero extension",
    file: vm("wasm/alu.ts"),
    find: 'code.op(PLAIN[name][1], "extendU");',
    replace: 'code.op(PLAIN[name][1], "extendS");',
    by: ["vectors", "agreement"],
  },
  {
    area: "division",
    file: vm("interpret.ts"),
    find: "return b === 0n ? a : signed",
    replace: "return b === 0n ? 0n : signed",
    by: ["vectors", "agreement"],
  },
  {
    area: "signed division",
    file: vm("wasm/alu.ts"),
    find: 'code.op(signed ? "i64DivS" : "i64DivU");',
    replace: 'code.op("i64DivU");',
    by: ["vectors", "agreement"],
  },
  {
    area: "byte swap",
    file: vm("wasm/alu.ts"),
    find: "if (bits >= 32) swapBy(16, 0x0000ffff0000ffffn);",
    replace: "if (bits > 32) swapBy(16, 0x0000ffff0000ffffn);",
    by: ["vectors", "agreement"],
  },
  { area: "jumps", file: vm("interpret.ts"), find: "return sa > sb;", replace: "return sa >= sb;", by: ["agreement"] },
  {
    area: "32-bit jumps",
    file: vm("interpret.ts"),
    find: "const bits = narrow ? 32 : 64;\n  const sa",
    replace: "const bits = 64;\n  const sa",
    by: ["vectors", "agreement"],
  },
  {
    area: "sign-extending moves",
    file: vm("interpret.ts"),
    find: "registers[dst] = BigInt.asUintN(32, BigInt.asIntN(off, registers[src]!));",
    replace: "registers[dst] = BigInt.asIntN(off, registers[src]!);",
    by: ["vectors", "agreement", "containment"],
  },
  {
    area: "sign-extending loads",
    file: vm("wasm/memory.ts"),
    find: "[(insn.code & 0xe0) === MODE.memsx ? 1 : 0]",
    replace: "[0]",
    by: ["vectors", "agreement"],
  },
  {
    area: "atomic operations",
    file: vm("interpret.ts"),
    find: "if (insn.imm & ATOMIC.fetch) registers[insn.src] = old;",
    replace: "if (insn.imm & ATOMIC.fetch) registers[insn.src] = value;",
    by: ["vectors", "agreement"],
  },
  {
    area: "compare and exchange",
    file: vm("wasm/memory.ts"),
    find: 'code.op("i64Eq", "select");',
    replace: 'code.op("i64Ne", "select");',
    by: ["vectors", "agreement"],
  },
  {
    area: "local calls",
    file: vm("interpret.ts"),
    find: "for (let r = 6; r <= 10; r++) registers[r] = caller.registers[r - 6]!;",
    replace: "for (let r = 7; r <= 10; r++) registers[r] = caller.registers[r - 6]!;",
    by: ["vectors"],
  },
  {
    area: "bounds",
    file: vm("memory.ts"),
    find: "if ((last % GRANULE) + 1 > (shadow & 0xf))",
    replace: "if (last % GRANULE > (shadow & 0xf))",
    by: ["safety"],
  },
  {
    area: "bounds in the translation",
    file: vm("wasm/memory.ts"),
    find: 'code.i32(0xf);\n    code.op("i32And", "i32GtU");',
    replace: 'code.i32(0xff);\n    code.op("i32And", "i32GtU");',
    by: ["machine"],
  },
  {
    area: "stack frames",
    file: vm("wasm/translate.ts"),
    find: "  pushFrame();\n  emitShade(code, false);",
    replace: "  pushFrame();\n  emitShade(code, true);",
    by: ["safety"],
  },
  {
    area: "step limit",
    file: vm("wasm/translate.ts"),
    find: 'code.op("i32LtS");',
    replace: 'code.op("i32GtS");',
    by: ["vectors"],
  },
  { area: "hash tables", file: vm("maps/hash.ts"), find: "if (!lru) return ERRNO.E2BIG;", replace: "", by: ["maps"] },
  {
    area: "LRU",
    file: vm("maps/hash.ts"),
    find: "      use(text, element);\n      return memory.address(element);",
    replace: "      return memory.address(element);",
    by: ["maps"],
  },
  {
    area: "tries",
    file: vm("maps/lpm-trie.ts"),
    find: "best && best.length >= one.length",
    replace: "best && best.length <= one.length",
    by: ["maps"],
  },
  {
    area: "per-CPU values",
    file: vm("maps/array.ts"),
    find: "lookupOn(key, perCpu ? host.cpu() : 0)",
    replace: "lookupOn(key, 0)",
    by: ["maps"],
  },
  {
    area: "ring buffers",
    file: vm("maps/ring-buffer.ts"),
    find: 'entries[0].state !== "busy"',
    replace: 'entries[0].state !== "discarded"',
    by: ["maps"],
  },
  {
    area: "socket storage",
    file: vm("maps/sk-storage.ts"),
    find: "if (found) return memory.address(found);",
    replace: "if (found && initial === undefined) return memory.address(found);",
    by: ["maps"],
  },
  {
    area: "context",
    file: vm("context.ts"),
    find: "if (contextAccess(layout, offset, bytes, verb, false)) return undefined;",
    replace: 'if (contextAccess(layout, offset, bytes, "read", false)) return undefined;',
    by: ["machine"],
  },
  {
    area: "helpers that change the socket",
    file: vm("helpers.ts"),
    find: 'if (changes.includes("socket")) call.event.refresh?.();',
    replace: "",
    by: ["machine"],
  },
  {
    area: "global variables",
    file: vm("machine.ts"),
    find: 'access: name === ".rodata" ? "read-only" : "read-write"',
    replace: 'access: "read-write"',
    by: ["machine"],
  },
];
