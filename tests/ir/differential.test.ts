/**
 * Random functions: what the IR means (an interpreter of its own, below) against what the emitted instructions do in the
 * virtual machine, at each instruction-set level, optimized and not. A failure prints the function.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { backend } from "../../compiler/backend/emit.ts";
import { kernels, type Kernel } from "../../compiler/bpf/kernels.ts";
import { checkModule } from "../../compiler/ir/check.ts";
import { bitsOf, evaluateBinary, evaluateCompare, evaluateUnary } from "../../compiler/ir/evaluate.ts";
import type { BinaryOp, Block, CompareOp, Edge, End, Func, Inst, IrModule, Type, Value } from "../../compiler/ir/ir.ts";
import { printModule } from "../../compiler/ir/print.ts";
import { isPointer } from "../../compiler/ir/types.ts";
import { optimize, optionalPasses } from "../../compiler/passes/pipeline.ts";
import { runBare } from "../../runtime/vm/bare.ts";

const span = { file: 0, start: 0, end: 0 };
const BINARY: readonly BinaryOp[] = [
  "add",
  "sub",
  "mul",
  "udiv",
  "sdiv",
  "umod",
  "smod",
  "and",
  "or",
  "xor",
  "shl",
  "lshr",
  "ashr",
];
const COMPARE: readonly CompareOp[] = ["eq", "ne", "ult", "ule", "ugt", "uge", "slt", "sle", "sgt", "sge"];
const NUMBERS = [
  0n,
  1n,
  2n,
  3n,
  7n,
  8n,
  31n,
  32n,
  33n,
  255n,
  256n,
  65535n,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_ffffn,
  0x1_0000_0000n,
  0x7fff_ffff_ffff_ffffn,
  0x8000_0000_0000_0000n,
  0xffff_ffff_ffff_ffffn,
];

/** Masks that take words apart as flags and numbers, halves and bytes. */
const MASKS = [0x8000n, 0x7fffn, 0xffffn, 0xffff_0000n, 0xff00n, 0xffn, 0x8000_0000n, 0x7fff_ffffn, 0x41cn];

/** A function from a stream of random numbers: a chain of blocks with jumps forward. */
function generate(next: (below: number) => number): Func {
  let ids = 1;
  const context: Value = { id: 0, type: "ptr ctx(sock_ops)" };
  const make = (type: Type): Value => ({ id: ids++, type });
  const pick = <T>(list: readonly T[]): T => list[next(list.length)]!;
  const count = 1 + next(6);
  const shared: Value[] = [];
  const slots: Value[] = [];
  const params = Array.from({ length: count }, (_, at) =>
    at === 0 ? [] : Array.from({ length: next(3) }, () => make(next(2) ? "w32" : "w64")),
  );
  const blocks: Block[] = [];
  for (let id = 0; id < count; id++) {
    const insts: Inst[] = [];
    const own: Value[] = [...params[id]!];
    const add = (inst: Inst & { result: Value }): Value => (insts.push(inst), own.push(inst.result), inst.result);
    const constant = (type: Type): Value =>
      add({ kind: "const", span, result: make(type), value: BigInt.asUintN(bitsOf(type), pick(NUMBERS)) });
    const any = (type: Type): Value => {
      const found = [...own, ...shared].filter((v) => v.type === type);
      return found.length === 0 || next(4) === 0 ? constant(type) : pick(found);
    };
    if (id === 0) {
      for (let at = 0; at < 4; at++) {
        const bytes = pick([1, 2, 4, 8] as const);
        add({
          kind: "load",
          span,
          result: make(bytes === 8 ? "w64" : "w32"),
          bytes,
          base: context,
          offset: bytes * next(32 / bytes),
        });
      }
      for (let at = next(3); at > 0; at--) {
        const slot = make("ptr slot");
        insts.push({ kind: "slot", span, result: slot, size: 16, align: 8, name: "s" });
        insts.push({ kind: "zero", span, base: slot, offset: 0, bytes: 16, align: 8 });
        slots.push(slot);
      }
    }
    // What programs do with the words of an option; the passes have rules for these shapes.
    let tested: Value | undefined;
    const idiom = (): void => {
      const word = any("w32");
      const number = (value: bigint): Value => add({ kind: "const", span, result: make("w32"), value });
      const binary = (op: BinaryOp, left: Value, right: Value): Value =>
        add({ kind: "binary", span, op, result: make("w32"), left, right });
      const swap = (op: "bswap16" | "bswap32", value: Value): Value =>
        add({ kind: "unary", span, op, result: make("w32"), value });
      const flag = pick(MASKS);
      switch (next(5)) {
        case 0: {
          const narrow = next(2) ? binary("and", word, number(0xffffn)) : word;
          tested = binary("and", narrow, number(flag));
          binary("and", narrow, number(next(2) ? 0xffff_ffffn & ~flag : pick(MASKS)));
          break;
        }
        case 1: {
          const rest = binary("xor", word, number(flag));
          tested = binary("and", rest, number(0xffffn));
          swap("bswap16", binary("lshr", rest, number(16n)));
          break;
        }
        case 2:
          binary("shl", swap("bswap16", binary("and", word, number(flag))), number(next(2) ? 16n : 8n));
          break;
        case 3: {
          const once = binary(pick(["or", "and", "xor"] as const), word, number(flag));
          binary(pick(["or", "and", "xor"] as const), once, number(pick(MASKS)));
          break;
        }
        default:
          swap("bswap16", binary("lshr", swap("bswap32", word), number(16n)));
      }
    };
    for (let at = next(10); at > 0; at--) {
      const type: Type = next(2) ? "w32" : "w64";
      switch (next(10)) {
        case 9:
          idiom();
          break;
        case 0:
        case 1:
        case 2:
          add({ kind: "binary", span, op: pick(BINARY), result: make(type), left: any(type), right: any(type) });
          break;
        case 3:
          add({ kind: "compare", span, op: pick(COMPARE), result: make("w32"), left: any(type), right: any(type) });
          break;
        case 4:
          if (type === "w64")
            add({ kind: "unary", span, op: pick(["zext", "sext"] as const), result: make("w64"), value: any("w32") });
          else add({ kind: "unary", span, op: "trunc", result: make("w32"), value: any("w64") });
          break;
        case 5:
          add({
            kind: "unary",
            span,
            op: pick(
              type === "w64"
                ? (["neg", "bswap16", "bswap32", "bswap64"] as const)
                : (["neg", "bswap16", "bswap32"] as const),
            ),
            result: make(type),
            value: any(type),
          });
          break;
        case 6:
        case 7:
          if (slots.length > 0) {
            const bytes = pick([1, 2, 4, 8] as const);
            const wide: Type = bytes === 8 ? "w64" : "w32";
            const base = pick(slots);
            const offset = bytes * next(16 / bytes);
            if (next(2)) insts.push({ kind: "store", span, bytes, base, offset, value: any(wide) });
            else add({ kind: "load", span, result: make(wide), bytes, base, offset });
            if (next(5) === 0 && slots.length > 1)
              insts.push({
                kind: "copy",
                span,
                to: slots[0]!,
                toOffset: 4 * next(2),
                from: slots[1]!,
                fromOffset: 4 * next(2),
                bytes: 4 + 4 * next(2),
                align: 4,
              });
            if (next(6) === 0) insts.push({ kind: "zero", span, base, offset: next(8), bytes: 1 + next(8), align: 1 });
            break;
          }
          break;
        case 8:
          // A call: what lies in r0 to r5 does not survive it.
          if (next(2))
            insts.push({ kind: "call", span, target: { kind: "helper", name: "get_smp_processor_id" }, args: [] });
          else
            add({
              kind: "call",
              span,
              target: { kind: "helper", name: "get_smp_processor_id" },
              result: make("w64"),
              args: [],
            });
      }
    }
    const edge = (): Edge => {
      const to = id + 1 + next(count - id - 1);
      return { block: to, args: params[to]!.map((param) => any(param.type)) };
    };
    let end: End;
    if (id === count - 1) {
      const mixed = [...own, ...shared].filter((v) => !isPointer(v.type));
      let sum = any("w32");
      for (const value of mixed) {
        let narrow = value;
        if (value.type === "w64") {
          narrow = make("w32");
          const high = make("w32");
          const shifted = make("w64");
          const by = make("w64");
          insts.push(
            { kind: "const", span, result: by, value: 32n },
            { kind: "binary", span, op: "lshr", result: shifted, left: value, right: by },
          );
          insts.push(
            { kind: "unary", span, op: "trunc", result: high, value: shifted },
            { kind: "unary", span, op: "trunc", result: narrow, value },
          );
          const both = make("w32");
          insts.push({ kind: "binary", span, op: "xor", result: both, left: narrow, right: high });
          narrow = both;
        }
        const seven = make("w32");
        const times = make("w32");
        const total = make("w32");
        insts.push(
          { kind: "const", span, result: seven, value: 31n },
          { kind: "binary", span, op: "mul", result: times, left: sum, right: seven },
        );
        insts.push({ kind: "binary", span, op: "add", result: total, left: times, right: narrow });
        sum = total;
      }
      end = { kind: "return", value: sum, span };
    } else {
      const type: Type = next(2) ? "w32" : "w64";
      const way = next(5);
      switch (way === 4 && !tested ? 0 : way) {
        case 4: {
          const right = make("w32");
          insts.push({ kind: "const", span, result: right, value: 0n });
          end = {
            kind: "branch",
            op: pick(["eq", "ne"] as const),
            left: tested!,
            right,
            then: edge(),
            else: edge(),
            span,
          };
          break;
        }
        case 0:
          end = { kind: "jump", to: edge(), span };
          break;
        case 1: {
          const value = any(type);
          const cases = [...new Set([pick(NUMBERS), pick(NUMBERS), 1n].map((n) => BigInt.asUintN(bitsOf(type), n)))];
          end = {
            kind: "switch",
            value,
            cases: cases.map((chosen) => ({ value: chosen, to: edge() })),
            default: edge(),
            span,
          };
          break;
        }
        default:
          end = {
            kind: "branch",
            op: pick(COMPARE),
            left: any(type),
            right: any(type),
            then: edge(),
            else: edge(),
            span,
          };
      }
    }
    if (id === 0) shared.push(...own);
    blocks.push({ id, params: params[id]!, insts, end });
  }
  return { name: "p", params: [context], returns: "w32", blocks, span };
}

/** What the function returns for 32 bytes behind its argument. */
function interpret(func: Func, input: Uint8Array): bigint {
  const values = new Map<number, bigint>();
  const slots = new Map<number, Uint8Array>([[func.params[0]!.id, input]]);
  const of = (value: Value): bigint => values.get(value.id)!;
  let block = func.blocks[0]!;
  for (;;) {
    for (const inst of block.insts) {
      const set = (value: bigint): void => void values.set((inst as { result: Value }).result.id, value);
      const bits = "result" in inst && inst.result && !isPointer(inst.result.type) ? bitsOf(inst.result.type) : 64;
      switch (inst.kind) {
        case "const":
          set(inst.value);
          break;
        case "binary":
          set(evaluateBinary(inst.op, of(inst.left), of(inst.right), bits));
          break;
        case "compare":
          set(evaluateCompare(inst.op, of(inst.left), of(inst.right), bitsOf(inst.left.type)) ? 1n : 0n);
          break;
        case "unary":
          set(evaluateUnary(inst.op, of(inst.value), bitsOf(inst.value.type), bits));
          break;
        case "slot":
          slots.set(inst.result.id, new Uint8Array(inst.size));
          break;
        case "load": {
          let value = 0n;
          for (let at = inst.bytes - 1; at >= 0; at--)
            value = (value << 8n) | BigInt(slots.get(inst.base.id)![inst.offset + at]!);
          set(value);
          break;
        }
        case "store":
          for (let at = 0; at < inst.bytes; at++)
            slots.get(inst.base.id)![inst.offset + at] = Number((of(inst.value) >> BigInt(8 * at)) & 0xffn);
          break;
        case "zero":
          slots.get(inst.base.id)!.fill(0, inst.offset, inst.offset + inst.bytes);
          break;
        case "copy":
          slots
            .get(inst.to.id)!
            .set(slots.get(inst.from.id)!.slice(inst.fromOffset, inst.fromOffset + inst.bytes), inst.toOffset);
          break;
        case "call":
          if (inst.result) set(0n);
          break;
        default:
          throw new Error(inst.kind);
      }
    }
    const { end } = block;
    let edge: Edge;
    if (end.kind === "return") return of(end.value!);
    else if (end.kind === "jump") edge = end.to;
    else if (end.kind === "branch")
      edge = evaluateCompare(end.op, of(end.left), of(end.right), bitsOf(end.left.type)) ? end.then : end.else;
    else if (end.kind === "switch") edge = end.cases.find((c) => c.value === of(end.value))?.to ?? end.default;
    else throw new Error(end.kind);
    const args = edge.args.map(of);
    block = func.blocks.find((b) => b.id === edge.block)!;
    block.params.forEach((param, at) => values.set(param.id, args[at]!));
  }
}

const RUNS = Number(process.env["TSBPF_RUNS"] ?? 40);

test.each(["v1", "v2", "v3", "v4"] as const)(
  "emitted code at %s does what the IR says",
  (isa) => {
    const kernel: Kernel = { ...kernels.patched, isa };
    const property = fc.property(
      fc.infiniteStream(fc.nat(1_000_000)),
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
      fc.boolean(),
      (stream, input, plain) => {
        const func = generate((below) => (below <= 1 ? 0 : (stream.next().value as number) % below));
        const module: IrModule = {
          license: "GPL",
          target: "patched",
          needs: [],
          maps: [],
          globals: [],
          functions: [],
          sources: [],
          programs: [{ func, section: "sockops", type: "sock_ops", attachType: 3 }],
        };
        const text = (): string => printModule(module);
        expect(checkModule(module), text()).toEqual([]);
        const expected = interpret(func, input);
        const optimized = optimize(module, kernel, {
          maxInsns: 4096,
          ...(plain ? { without: optionalPasses() } : {}),
          after: (pass, after) => {
            expect(checkModule(after), `after ${pass}\n${text()}`).toEqual([]);
            const { func: now } = after.programs[0]!;
            expect(interpret(now, input), `${pass} changed the meaning of\n${text()}\nto\n${printModule(after)}`).toBe(
              expected,
            );
          },
        });
        expect(optimized.diagnostics, text()).toEqual([]);
        const { module: emitted } = backend(optimized.module, kernel);
        const { insns } = emitted!.programs[0]!;
        const { r0 } = runBare(insns, { memory: input });
        expect(r0, `emitted from\n${printModule(optimized.module)}`).toBe(expected);
      },
    );
    fc.assert(property, {
      numRuns: RUNS,
      ...(process.env["TSBPF_SEED"] ? { seed: Number(process.env["TSBPF_SEED"]) } : {}),
    });
  },
  120_000,
);
