/** Instructions and ends of blocks in the textual form of the IR. */
import { CORE_KINDS, type CoreKind } from "../bpf/core-kinds.ts";
import type { AccessBytes } from "../bpf/opcodes.ts";
import type { AtomicOp, BinaryOp, CallTarget, CompareOp, Edge, End, Inst, UnaryOp, Value } from "./ir.ts";
import {
  type Cursor,
  fail,
  peek,
  next,
  expect,
  accept,
  integer,
  big,
  quoted,
  definition,
  use,
  useList,
  place,
} from "./read-words.ts";

const BINARY: ReadonlySet<string> = new Set<BinaryOp>([
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
]);
const UNARY: ReadonlySet<string> = new Set<UnaryOp>(["neg", "zext", "sext", "trunc", "bswap16", "bswap32", "bswap64"]);
const COMPARE: ReadonlySet<string> = new Set<CompareOp>([
  "eq",
  "ne",
  "ult",
  "ule",
  "ugt",
  "uge",
  "slt",
  "sle",
  "sgt",
  "sge",
]);

function memory(c: Cursor, values: ReadonlyMap<number, Value>): { base: Value; offset: number } {
  const base = use(c, values);
  if (accept(c, "+")) return { base, offset: integer(c) };
  if (accept(c, "-")) return { base, offset: -integer(c) };
  return fail(c, "expected an offset");
}

function edge(c: Cursor, values: ReadonlyMap<number, Value>): Edge {
  const token = next(c);
  if (!/^b\d+$/.test(token)) fail({ ...c, at: c.at - 1 }, "expected a block");
  return { block: Number(token.slice(1)), args: useList(c, values) };
}

export function readEnd(c: Cursor, values: ReadonlyMap<number, Value>): End | undefined {
  switch (peek(c)) {
    case "jump": {
      next(c);
      const to = edge(c, values);
      return { kind: "jump", to, span: place(c) };
    }
    case "branch": {
      next(c);
      const op = next(c) as CompareOp;
      if (!COMPARE.has(op)) fail({ ...c, at: c.at - 1 }, "unknown comparison");
      const left = use(c, values);
      expect(c, ",");
      const right = use(c, values);
      expect(c, ",");
      const then = edge(c, values);
      expect(c, ",");
      return { kind: "branch", op, left, right, then, else: edge(c, values), span: place(c) };
    }
    case "switch": {
      next(c);
      const value = use(c, values);
      expect(c, ",");
      const cases: { value: bigint; to: Edge }[] = [];
      while (!accept(c, "default")) {
        const chosen = big(c);
        expect(c, ":");
        cases.push({ value: chosen, to: edge(c, values) });
        expect(c, ",");
      }
      expect(c, ":");
      return { kind: "switch", value, cases, default: edge(c, values), span: place(c) };
    }
    case "return": {
      next(c);
      const value = peek(c).startsWith("%") ? use(c, values) : undefined;
      return { kind: "return", ...(value ? { value } : {}), span: place(c) };
    }
    case "unreachable":
      next(c);
      return { kind: "unreachable", span: place(c) };
    default:
      return undefined;
  }
}

/** Omit over each member of a union. */
type Bare<T> = T extends unknown ? Omit<T, "span"> : never;

export function readInst(c: Cursor, values: Map<number, Value>): Inst {
  let result: Value | undefined;
  if (peek(c).startsWith("%")) {
    result = definition(c, values);
    expect(c, "=");
  }
  const made = readBody(c, values, result);
  return { ...made, span: place(c) };
}

/** Whether what it names exists is for the checker to say. */
function callTarget(c: Cursor): CallTarget {
  const kind = next(c);
  if (kind !== "helper" && kind !== "kfunc" && kind !== "function")
    return fail({ ...c, at: c.at - 1 }, "expected what is called: helper, kfunc or function");
  return { kind, name: next(c) } as CallTarget;
}

function readBody(c: Cursor, values: ReadonlyMap<number, Value>, made: Value | undefined): Bare<Inst> {
  const word = next(c);
  const need = (): Value => made ?? fail(c, `${word} needs a result`);
  const comma = (): void => expect(c, ",");
  if (BINARY.has(word) || COMPARE.has(word)) {
    const left = use(c, values);
    comma();
    const right = use(c, values);
    return BINARY.has(word)
      ? { kind: "binary", result: need(), op: word as BinaryOp, left, right }
      : { kind: "compare", result: need(), op: word as CompareOp, left, right };
  }
  if (UNARY.has(word)) return { kind: "unary", result: need(), op: word as UnaryOp, value: use(c, values) };
  const sized = /^(load|store|atomic)([1248])$/.exec(word);
  if (sized) {
    const bytes = Number(sized[2]) as AccessBytes;
    if (sized[1] === "load") return { kind: "load", result: need(), bytes, ...memory(c, values) };
    if (sized[1] === "store") {
      const where = memory(c, values);
      comma();
      return { kind: "store", bytes, ...where, value: use(c, values) };
    }
    const op = next(c) as AtomicOp;
    const where = memory(c, values);
    comma();
    const value = use(c, values);
    const expected = accept(c, ",") ? use(c, values) : undefined;
    return {
      kind: "atomic",
      op,
      bytes: bytes as 4 | 8,
      ...where,
      value,
      ...(made ? { result: made } : {}),
      ...(expected ? { expected } : {}),
    };
  }
  const aligned = (): number => (expect(c, "align"), integer(c));
  switch (word) {
    case "const":
      return { kind: "const", result: need(), value: big(c) };
    case "core": {
      const kind = next(c) as CoreKind;
      if (!Object.hasOwn(CORE_KINDS, kind)) fail({ ...c, at: c.at - 1 }, "unknown fact of the kernel");
      return { kind: "core", result: need(), fact: { kind, struct: next(c), member: next(c) }, value: big(c) };
    }
    case "slot":
      return { kind: "slot", result: need(), size: integer(c), align: aligned(), name: quoted(c) };
    case "global":
    case "map":
      return { kind: word, result: need(), name: next(c) };
    case "ptradd": {
      const base = use(c, values);
      comma();
      const offset = use(c, values);
      if (!accept(c, "most")) return { kind: "ptradd", result: need(), base, offset };
      return { kind: "ptradd", result: need(), base, offset, most: integer(c) };
    }
    case "zero": {
      const where = memory(c, values);
      comma();
      return { kind: "zero", ...where, bytes: integer(c), align: aligned() };
    }
    case "copy": {
      const to = memory(c, values);
      comma();
      const from = memory(c, values);
      comma();
      return {
        kind: "copy",
        to: to.base,
        toOffset: to.offset,
        from: from.base,
        fromOffset: from.offset,
        bytes: integer(c),
        align: aligned(),
      };
    }
    case "call":
      return { kind: "call", target: callTarget(c), args: useList(c, values), ...(made ? { result: made } : {}) };
    case "assume-fits": {
      const signed = next(c) === "signed";
      const value = use(c, values);
      comma();
      const min = big(c);
      comma();
      return { kind: "assume-fits", result: need(), value, signed, min, max: big(c), what: quoted(c) };
    }
    case "assume-index": {
      const value = use(c, values);
      comma();
      return { kind: "assume-index", result: need(), value, length: integer(c), what: quoted(c) };
    }
    default:
      return fail({ ...c, at: c.at - 1 }, "unknown instruction");
  }
}
