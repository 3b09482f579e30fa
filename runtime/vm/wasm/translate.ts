/**
 * The fast engine: each function of a program becomes a WebAssembly function, whose integers are 64-bit like BPF's.
 *
 * The blocks of a function lie in order inside of nested WebAssembly blocks, so that a forward jump is a plain branch; jumps
 * backward go through a dispatcher at the top. Our own programs have none.
 */
import { JMP } from "../../../compiler/bpf/opcodes.ts";
import { SCRATCHED, STACK_BYTES, type Engine, type Surroundings } from "../engine.ts";
import { FAULT_KINDS, FAULTS, placed, VmFault } from "../fault.ts";
import { GUEST_BASE, noPointer, type Memory, type Region } from "../memory.ts";
import { endsFlow, isLocalCall, jumpTarget, type LinkedProgram } from "../program.ts";
import { LOCAL, local, translateAlu, translateCondition } from "./alu.ts";
import { basicBlocks, type BasicBlock } from "./blocks.ts";
import { assemble, createCode, TYPE, type Code, type FunctionType } from "./bytes.ts";
import { emitFault, IMPORT, pushLeft, translateAccess, type Place } from "./memory.ts";

const { i32, i64 } = TYPE;
const TYPES: readonly FunctionType[] = [
  { params: [i64, i64, i64, i64, i64, i32], results: [i64] }, // a BPF function
  { params: [i32, i32, i32, i64, i64, i64, i64, i64], results: [i64] }, // call(helper, slot, left, r1 … r5)
  { params: [i32, i32, i32, i32, i32], results: [] }, // check(offset, bytes, write, slot, left)
  { params: [i64, i32, i32, i32, i32], results: [] }, // wild(address, bytes, write, slot, left)
  { params: [i32, i32, i32], results: [] }, // fault(kind, slot, left)
];
const FUNCTION_IMPORTS = [
  { name: "call", type: 1 },
  { name: "check", type: 2 },
  { name: "wild", type: 3 },
  { name: "fault", type: 4 },
] as const;
const LEFT = 0;

interface Context {
  readonly program: LinkedProgram;
  readonly memory: Memory;
  readonly frames: readonly Region[];
  /** Counters of how often each block ran: offset in the memory, absent when nobody asked. */
  readonly counters?: number;
}

function emitShade(code: Code, live: boolean): void {
  code.with("get", LOCAL.at);
  code.i32(3);
  code.op("i32ShrU");
  code.i32(live ? 8 : 0);
  code.i32(STACK_BYTES / 8);
  code.fill();
}

function emitLocalCall(code: Code, context: Context, callee: number, place: Place): void {
  const { frames, memory } = context;
  const stride = frames[1]!.start - frames[0]!.start;
  const last = frames.at(-1)!.start;
  const pushFrame = (): void => {
    code.with("get", LOCAL.frame);
    code.i32(stride);
    code.op("i32Add");
    code.with("set", LOCAL.at);
  };
  pushFrame();
  code.with("get", LOCAL.at);
  code.i32(last);
  code.op("i32GtU");
  code.with("if", 0x40);
  emitFault(code, "call-depth", place);
  code.op("end");
  emitShade(code, true);
  code.with("get", LOCAL.at);
  code.i32(memory.arenaStart);
  code.op("i32Add");
  code.i32(0);
  code.i32(STACK_BYTES);
  code.fill();
  code.with("get", LOCAL.left);
  code.with("globalSet", LEFT);
  for (let register = 1; register <= 5; register++) code.with("get", local(register));
  code.with("get", LOCAL.at);
  code.with("call", FUNCTION_IMPORTS.length + callee);
  code.with("set", LOCAL.r0);
  code.with("globalGet", LEFT);
  code.with("set", LOCAL.left);
  pushFrame();
  emitShade(code, false);
}

function emitScratch(code: Code): void {
  for (let register = 1; register <= 5; register++) {
    code.i64(BigInt.asIntN(64, SCRATCHED));
    code.with("set", local(register));
  }
}

function emitHelperCall(code: Code, id: number, place: Place): void {
  code.i32(id);
  code.i32(place.slot);
  pushLeft(code, place);
  for (let register = 1; register <= 5; register++) code.with("get", local(register));
  code.with("call", IMPORT.call);
  code.with("set", LOCAL.r0);
}

function translateFunction(context: Context, blocks: readonly BasicBlock[], entry: number, counterBase: number): Code {
  const { program, memory } = context;
  const code = createCode();
  const indexOf = new Map(blocks.map((block, index) => [block.start, index]));
  const needsDispatch =
    indexOf.get(entry) !== 0 ||
    blocks.some((block, index) => {
      const slot = block.slots.at(-1)!;
      const target = jumpTarget(program.insns[slot]!, slot);
      return target !== undefined && indexOf.get(target)! <= index;
    });

  // r10 = GUEST_BASE + frame + STACK_BYTES
  code.with("get", LOCAL.frame);
  code.op("extendU");
  code.i64(BigInt.asIntN(64, GUEST_BASE + BigInt(STACK_BYTES)));
  code.op("i64Add");
  code.with("set", LOCAL.r10);
  code.with("globalGet", LEFT);
  code.with("set", LOCAL.left);
  if (needsDispatch) {
    code.i32(indexOf.get(entry)!);
    code.with("set", LOCAL.next);
    code.with("loop", 0x40);
  }
  for (let index = 0; index < blocks.length; index++) code.with("block", 0x40);
  if (needsDispatch) {
    code.with("get", LOCAL.next);
    code.with("brTable", blocks.length, ...blocks.keys(), 0);
  }

  blocks.forEach((block, index) => {
    code.op("end");
    /** Jumps to a block; `inside` counts the `if`s around. */
    const jump = (to: number, inside: number): void => {
      if (to > index) code.with("br", to - index - 1 + inside);
      else {
        code.i32(to);
        code.with("set", LOCAL.next);
        code.with("br", blocks.length - index - 1 + inside);
      }
    };
    const count = block.slots.length;
    code.with("get", LOCAL.left);
    code.i32(count);
    code.op("i32Sub");
    code.with("tee", LOCAL.left);
    code.i32(0);
    code.op("i32LtS");
    code.with("if", 0x40);
    emitFault(code, "step-limit", { slot: block.start, ahead: 0 });
    code.op("end");
    if (context.counters !== undefined) {
      const at = context.counters + 4 * (counterBase + index);
      code.i32(0);
      code.i32(0);
      code.memory("i32Load", at);
      code.i32(1);
      code.op("i32Add");
      code.memory("i32Store", at);
    }
    block.slots.forEach((slot, turn) => {
      const insn = program.insns[slot]!;
      const place: Place = { slot, ahead: count - 1 - turn };
      const target = jumpTarget(insn, slot);
      switch (insn.code & 7) {
        case 4:
        case 7:
          return translateAlu(code, insn);
        case 0:
          code.i64(program.wide.get(slot)!);
          return code.with("set", local(insn.dst));
        case 5:
        case 6:
          if (target !== undefined && endsFlow(insn)) return jump(indexOf.get(target)!, 0);
          if (target !== undefined) {
            translateCondition(code, insn);
            code.with("if", 0x40);
            jump(indexOf.get(target)!, 1);
            return code.op("end");
          }
          if ((insn.code & 0xf0) === JMP.exit.code) {
            code.with("get", LOCAL.left);
            code.with("globalSet", LEFT);
            code.with("get", LOCAL.r0);
            return code.op("return");
          }
          if (isLocalCall(insn)) emitLocalCall(code, context, program.functions.indexOf(slot + 1 + insn.imm), place);
          else emitHelperCall(code, insn.imm, place);
          return emitScratch(code);
        default:
          return translateAccess(code, memory, insn, place);
      }
    });
  });
  if (needsDispatch) code.op("end");
  code.op("unreachable", "end");
  return code;
}

interface Translated {
  readonly run: (r1: bigint, r2: bigint, r3: bigint, r4: bigint, r5: bigint, frame: number) => bigint;
  readonly left: WebAssembly.Global;
  /** Blocks in the order of their counters. */
  readonly blocks: readonly BasicBlock[];
  readonly counters?: Region;
  /** Set for each run: whom the imports speak to. */
  readonly current: { around: Surroundings };
}

function translate(program: LinkedProgram, around: Surroundings, counted: boolean): Translated {
  const { memory, frames } = around;
  const perFunction = program.functions.map((entry) => basicBlocks(program, entry));
  const blocks = perFunction.flat();
  const counters = counted ? memory.allocate({ name: "profile", size: 4 * blocks.length }) : undefined;
  // Accessible to nobody but us.
  if (counters) memory.setLive(counters, false);
  const context: Context = {
    program,
    memory,
    frames,
    ...(counters ? { counters: memory.arenaStart + counters.start } : {}),
  };
  let base = 0;
  const functions = perFunction.map((own, index) => {
    const code = translateFunction(context, own, program.functions[index]!, base);
    base += own.length;
    return {
      type: 0,
      locals: [
        { count: LOCAL.at - LOCAL.r0, type: i64 },
        { count: LOCAL.r10 - LOCAL.at, type: i32 },
        { count: 1, type: i64 },
      ],
      code: code.bytes(),
      ...(index === 0 ? { export: "run" } : {}),
    };
  });
  const binary = assemble({
    types: TYPES,
    functionImports: FUNCTION_IMPORTS,
    memory: { name: "memory", pages: memory.bytes.length / 65536 },
    globals: ["left"],
    functions,
  });
  const left = new WebAssembly.Global({ value: "i32", mutable: true }, 0);
  const current = { around };
  const steps = (remaining: number): number => current.around.stepLimit - remaining;
  const imports = {
    memory: memory.wasm!,
    left,
    call(
      id: number,
      slot: number,
      remaining: number,
      r1: bigint,
      r2: bigint,
      r3: bigint,
      r4: bigint,
      r5: bigint,
    ): bigint {
      try {
        const u = (value: bigint): bigint => BigInt.asUintN(64, value);
        return BigInt.asIntN(64, current.around.call(id, [u(r1), u(r2), u(r3), u(r4), u(r5)], slot));
      } catch (error) {
        throw placed(error, slot, steps(remaining));
      }
    },
    check(offset: number, bytes: number, write: number, slot: number, remaining: number): void {
      const fault = memory.refusal(offset >>> 0, bytes, write === 1);
      if (fault) throw placed(fault, slot, steps(remaining));
    },
    wild(address: bigint, bytes: number, write: number, slot: number, remaining: number): void {
      throw new VmFault("memory", noPointer(BigInt.asUintN(64, address), bytes, write === 1), slot, steps(remaining));
    },
    fault(kind: number, slot: number, remaining: number): void {
      const key = FAULT_KINDS[kind]!;
      const limit = current.around.stepLimit;
      const message = key === "step-limit" ? `the program ran ${limit} instructions without an end` : FAULTS[key];
      throw new VmFault(key, message, slot, key === "step-limit" ? limit : steps(remaining));
    },
  };
  const instance = new WebAssembly.Instance(new WebAssembly.Module(binary), { m: imports });
  return {
    run: instance.exports["run"] as Translated["run"],
    left,
    blocks,
    ...(counters ? { counters } : {}),
    current,
  };
}

const cache = new WeakMap<LinkedProgram, Map<string, { readonly memory: Memory; readonly translated: Translated }>>();

function translated(program: LinkedProgram, around: Surroundings, counted: boolean): Translated {
  const forms = cache.get(program) ?? new Map<string, { memory: Memory; translated: Translated }>();
  cache.set(program, forms);
  const key = counted ? "counted" : "plain";
  const known = forms.get(key);
  if (known?.memory === around.memory) return known.translated;
  const made = translate(program, around, counted);
  forms.set(key, { memory: around.memory, translated: made });
  return made;
}

/** Needs a memory made with `wasm`. `watch.step` is not served here: only the interpreter stops at each instruction. */
export const translateAndRun: Engine = (program, around, entry, watch) => {
  const { memory, frames, stepLimit } = around;
  const { run, left, blocks, counters, current } = translated(program, around, watch?.hits !== undefined);
  current.around = around;
  const frame = frames[0]!;
  memory.setLive(frame, true);
  memory.slice(frame).fill(0);
  left.value = stepLimit;
  if (counters) memory.slice(counters).fill(0);
  try {
    const signed = (value: bigint): bigint => BigInt.asIntN(64, value);
    const r0 = run(signed(entry.r1), signed(entry.r2 ?? 0n), 0n, 0n, 0n, frame.start);
    return { r0: BigInt.asUintN(64, r0), steps: stepLimit - left.value };
  } catch (error) {
    // V8's own stack runs out only after far more frames than BPF has.
    if (error instanceof RangeError) throw new VmFault("call-depth", FAULTS["call-depth"]);
    throw error;
  } finally {
    for (const one of frames) memory.setLive(one, false);
    if (counters && watch?.hits) {
      const counts = new DataView(memory.bytes.buffer, memory.arenaStart + counters.start);
      blocks.forEach((block, index) => {
        const count = counts.getUint32(index * 4, true);
        if (count > 0) for (const slot of block.slots) watch.hits![slot]! += count;
      });
    }
  }
};
