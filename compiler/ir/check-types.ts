/** What the checker demands of the types in one instruction, and of the names in it. */
import { HELPERS, type ArgKind, type Helper } from "../bpf/helpers.ts";
import { contextFieldAt, hasContextFields } from "../bpf/kinds/index.ts";
import { beginsWith, kernelTypes } from "../bpf/kernel-types.ts";
import { kfunc, KFUNCS, type Kfunc } from "../bpf/kfuncs.ts";
import { MAX_REG_ARGUMENTS } from "../bpf/limits.ts";
import type { Call, Func, Inst, IrModule, Type, Value } from "./ir.ts";
import { ANY_POINTER, contextOf, FIELD_POINTERS, fits, isPointer, kfuncResult, RESULT_POINTERS } from "./types.ts";

const width = (type: Type): bigint => (type === "w32" ? 32n : 64n);
const isWord = (value: Value | undefined): boolean => value !== undefined && !isPointer(value.type);
/** Pointers that have no bytes to load, store or step over. */
const OPAQUE: ReadonlySet<Type> = new Set<Type>(["ptr map", "ptr packet-end"]);
const isMemory = (value: Value): boolean => isPointer(value.type) && !OPAQUE.has(value.type);

/** What is wrong with an instruction's types; undefined when nothing is. */
export function wrongType(inst: Inst): string | undefined {
  switch (inst.kind) {
    case "const":
      if (isPointer(inst.result.type) && inst.value !== 0n) return "the only constant pointer is 0";
      return inst.value < 0n || inst.value >= 1n << width(inst.result.type)
        ? "the constant does not fit its type"
        : undefined;
    case "core":
      return inst.result.type === "w64" ? undefined : "a fact of the kernel is w64";
    case "binary":
      return inst.left.type === inst.right.type && inst.left.type === inst.result.type && isWord(inst.result)
        ? undefined
        : "operands and result must have one integer type";
    case "compare":
      return comparable(inst.left, inst.right) && inst.result.type === "w32"
        ? undefined
        : "a comparison takes one type and gives w32";
    case "unary": {
      const [from, to] =
        inst.op === "trunc"
          ? ["w64", "w32"]
          : inst.op === "zext" || inst.op === "sext"
            ? ["w32", "w64"]
            : [inst.value.type, inst.value.type];
      const wide = inst.op !== "bswap64" || inst.value.type === "w64";
      return inst.value.type === from && inst.result.type === to && isWord(inst.result) && wide
        ? undefined
        : "wrong operand or result type";
    }
    case "slot":
    case "global":
    case "map":
      return inst.result.type === `ptr ${inst.kind}` ? undefined : `the result must be ptr ${inst.kind}`;
    case "ptradd":
      if (!isPointer(inst.base.type) || inst.offset.type !== "w64") return "ptradd takes a pointer and w64";
      if (contextOf(inst.base.type) !== undefined || !isMemory(inst.base))
        return `nothing is added to ${inst.base.type}`;
      return fits(inst.base.type, inst.result.type) ? undefined : "the result leads to what the base leads to";
    case "load":
      return wrongAccess(inst.base, inst.bytes, inst.result) ?? wrongLoad(inst.base, inst.offset, inst.result);
    case "store":
      if (isPointer(inst.value.type) && !["ptr slot", ANY_POINTER].includes(inst.base.type))
        return "pointers are stored in stack variables only";
      return wrongAccess(inst.base, inst.bytes, inst.value);
    case "zero":
      return isMemory(inst.base) && inst.bytes >= 0 ? undefined : "zero takes a pointer to memory";
    case "copy":
      return isMemory(inst.to) && isMemory(inst.from) && inst.bytes >= 0 ? undefined : "copy takes pointers to memory";
    case "atomic": {
      const type: Type = inst.bytes === 8 ? "w64" : "w32";
      const values = [inst.value, inst.expected, inst.result].filter((value) => value !== undefined);
      return isMemory(inst.base) &&
        values.every((value) => value.type === type) &&
        (inst.op === "cmpxchg") === (inst.expected !== undefined)
        ? undefined
        : "wrong operands of an atomic";
    }
    case "assume-fits":
    case "assume-index":
      return inst.value.type === inst.result.type && isWord(inst.result)
        ? undefined
        : "value and result must have one integer type";
    case "call":
      return undefined;
  }
}

/** Whether two values may be compared: numbers of one width, pointers of which one may lead to where the other does, a packet and its end. */
export function comparable({ type: left }: Value, { type: right }: Value): boolean {
  if (left === right) return true;
  if (!isPointer(left) || !isPointer(right)) return false;
  const ends: readonly Type[] = ["ptr packet", "ptr packet-end"];
  return fits(left, right) || fits(right, left) || (ends.includes(left) && ends.includes(right));
}

function wrongAccess(base: Value, bytes: number, value: Value): string | undefined {
  if (!isMemory(base)) return `${base.type} is no memory`;
  return (bytes === 8 ? value.type !== "w32" : value.type === "w32") ? undefined : "wrong type for this size";
}

/** A pointer that is loaded leads to what the table of the context says; from memory, to whatever was stored there. */
function wrongLoad(base: Value, offset: number, result: Value): string | undefined {
  const context = contextOf(base.type);
  if (context === undefined || !hasContextFields(context)) return undefined;
  // The arguments of whatever the program is called as.
  if (context === "struct_ops") return offset % 8 === 0 ? undefined : "arguments lie 8 bytes apart";
  const field = contextFieldAt(context, offset);
  const to = field?.pointer && FIELD_POINTERS[field.pointer];
  if (to === undefined) return isPointer(result.type) ? "the context has no pointer there" : undefined;
  return result.type === to ? undefined : `the context has ${to} there`;
}

/** Names that the module or the kernel does not have, and calls that are not as what they call wants them. */
export function wrongName(inst: Inst, module: IrModule, inlined: boolean): string | undefined {
  switch (inst.kind) {
    case "global":
      return module.globals.some((g) => g.name === inst.name) ? undefined : "unknown global";
    case "map":
      return module.maps.some((m) => m.name === inst.name) ? undefined : "unknown map";
    case "call":
      return wrongCall(inst, module, inlined);
    default:
      return undefined;
  }
}

function wrongCall(inst: Call, module: IrModule, inlined: boolean): string | undefined {
  const { target } = inst;
  switch (target.kind) {
    case "helper":
      if (!Object.hasOwn(HELPERS, target.name)) return "unknown helper";
      return wrongHelperCall(inst, HELPERS[target.name]);
    case "kfunc":
      if (!Object.hasOwn(KFUNCS, target.name)) return "unknown kernel function";
      return wrongKfuncCall(inst, kfunc(target.name));
    case "function": {
      if (inlined) return "a call is left after inlining";
      const callee = module.functions.find((f) => f.name === target.name);
      return callee ? wrongFunctionCall(inst, callee) : "unknown function";
    }
  }
}

function wrongFunctionCall({ args, result }: Call, callee: Func): string | undefined {
  const same = callee.params.length === args.length && callee.params.every((p, at) => fits(args[at]!.type, p.type));
  const gives = !result || (callee.returns !== undefined && fits(callee.returns, result.type));
  return same && gives ? undefined : "arguments do not match the function";
}

/** Whether a pointer leads to a struct of the kernel's, or to one that begins with it. */
function leadsTo(type: Type, wanted: string): boolean {
  const struct = /^ptr (?:trusted|struct)\((.*)\)$/.exec(type)?.[1];
  return struct !== undefined && beginsWith(kernelTypes(), struct, wanted);
}

function wrongKfuncCall({ args, result }: Call, callee: Kfunc): string | undefined {
  if (args.length !== callee.args.length)
    return `the kernel function takes ${callee.args.length} arguments, not ${args.length}`;
  for (const [at, wanted] of callee.args.entries()) {
    const { type } = args[at]!;
    if (wanted === "number" ? isPointer(type) : !isPointer(type)) return `argument ${at + 1} is ${type}`;
    if (typeof wanted !== "object") continue;
    if ("iterator" in wanted) {
      if (type !== "ptr slot") return `argument ${at + 1} must be an iterator on the stack, not ${type}`;
    } else if (!leadsTo(type, wanted.struct)) return `argument ${at + 1} must lead to ${wanted.struct}, not ${type}`;
  }
  const gives = kfuncResult(callee);
  return !result || result.type === gives ? undefined : `the kernel function returns ${gives ?? "nothing"}`;
}

function wrongHelperCall({ args, result }: Call, helper: Helper): string | undefined {
  const most = helper.variadic ? MAX_REG_ARGUMENTS : helper.args.length;
  if (args.length < helper.args.length || args.length > most)
    return `the helper takes ${helper.args.length} arguments, not ${args.length}`;
  for (const [at, kind] of helper.args.entries()) {
    const arg = args[at]!;
    const wanted = wantedOf(kind);
    if (!WANTED[wanted](arg.type)) return `argument ${at + 1} must be ${wanted}, not ${arg.type}`;
  }
  const to = RESULT_POINTERS[helper.returns];
  if (!result) return undefined;
  if (helper.returns === "void") return "the helper returns nothing";
  return to === undefined
    ? isPointer(result.type)
      ? "the helper returns a number"
      : undefined
    : result.type === to || (helper.returns === "btf-or-null" && result.type.startsWith("ptr struct("))
      ? undefined
      : `the helper returns ${to}`;
}

/** What an argument may be, in the checker's words. Null pointers have any pointer's type. */
const WANTED = {
  "a number": (type: Type) => !isPointer(type),
  "a pointer": (type: Type) => isPointer(type),
  "a pointer to memory": (type: Type) => isPointer(type) && !OPAQUE.has(type) && contextOf(type) === undefined,
  // The socket, in its place, where programs have one (kinds' `signatures`).
  "the context": (type: Type) => contextOf(type) !== undefined || leadsTo(type, "sock_common"),
  "a map": (type: Type) => type === "ptr map",
  anything: () => true,
} as const;

function wantedOf(kind: ArgKind): keyof typeof WANTED {
  return typeof kind === "object" ? "a pointer to memory" : WANTED_OF[kind];
}
const WANTED_OF = {
  any: "anything",
  ctx: "the context",
  "ctx-or-null": "a pointer",
  map: "a map",
  key: "a pointer to memory",
  value: "a pointer to memory",
  "value-or-null": "a pointer to memory",
  "value-out": "a pointer to memory",
  mem: "a pointer to memory",
  "mem-or-null": "a pointer to memory",
  "mem-out": "a pointer to memory",
  "mem-inout": "a pointer to memory",
  "mem-inout-or-null": "a pointer to memory",
  size: "a number",
  "size-or-zero": "a number",
  "alloc-size": "a number",
  "sock-common": "a pointer",
  "socket-or-null": "a pointer",
  "btf-sock": "a pointer",
  "btf-sock-or-null": "a pointer",
  "btf-or-null": "a pointer",
  ringbuf: "a pointer",
  "spin-lock": "a pointer to memory",
  timer: "a pointer to memory",
  "const-str": "a pointer to memory",
  func: "anything",
  "stack-or-null": "a pointer",
  scalar: "a number",
  btf: "a pointer",
  "percpu-btf": "a pointer",
  kptr: "a pointer",
  dynptr: "a pointer to memory",
} as const satisfies Record<Exclude<ArgKind, object>, keyof typeof WANTED>;
