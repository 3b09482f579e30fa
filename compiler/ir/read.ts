/** Reads the textual form of the IR, as `print.ts` prints it. For tests and tools; throws SyntaxError with the line. */
import type { AccessBytes } from "../bpf/opcodes.ts";
import type { GlobalVar, MapSpec } from "../module.ts";
import type { Expansion, SourceFile, Span } from "../span.ts";
import type {
  AtomicOp,
  BinaryOp,
  Block,
  CallTarget,
  CompareOp,
  Edge,
  End,
  Func,
  Inst,
  IrModule,
  IrProgram,
  Type,
  UnaryOp,
  Value,
} from "./ir.ts";
import { NAMED_POINTEES, PLAIN_POINTEES } from "./types.ts";

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

/** Words, %values, b-targets, numbers, strings and punctuation of a line. */
const TOKEN = /"(?:[^"\\]|\\.)*"|%\d+(?:\.[^\s,:()=]+)?|-?\d+|[A-Za-z_$][\w$.-]*|->|[@:,(){}=+-]/g;

interface Cursor {
  readonly line: number;
  readonly tokens: readonly string[];
  at: number;
}

const fail = (cursor: Cursor, what: string): never => {
  throw new SyntaxError(
    `IR line ${cursor.line}: ${what} at "${cursor.tokens.slice(cursor.at, cursor.at + 4).join(" ")}"`,
  );
};
const peek = (c: Cursor): string => c.tokens[c.at] ?? "";
const next = (c: Cursor): string => c.tokens[c.at++] ?? fail(c, "unexpected end of line");
const expect = (c: Cursor, token: string): void =>
  void (next(c) === token || fail({ ...c, at: c.at - 1 }, `expected ${token}`));
const accept = (c: Cursor, token: string): boolean => (peek(c) === token ? (c.at++, true) : false);
const integer = (c: Cursor): number => {
  const token = next(c);
  return /^-?\d+$/.test(token) ? Number(token) : fail({ ...c, at: c.at - 1 }, "expected a number");
};
const big = (c: Cursor): bigint => BigInt(/^-?\d+$/.test(peek(c)) ? next(c) : fail(c, "expected a number"));
const quoted = (c: Cursor): string =>
  JSON.parse(peek(c).startsWith('"') ? next(c) : fail(c, "expected a string")) as string;

/** Parses a module. */
export function readModule(text: string): IrModule {
  const lines = text.split("\n");
  const needs: string[] = [];
  const sources: SourceFile[] = [];
  const maps: MapSpec[] = [];
  const globals: GlobalVar[] = [];
  const functions: Func[] = [];
  const programs: IrProgram[] = [];
  let license = "";
  let target = "";
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at]!.replace(/^\s*#.*$/, "").trim();
    if (line === "") continue;
    const [word = ""] = line.split(" ", 1);
    const rest = line.slice(word.length + 1);
    const cursor: Cursor = { line: at + 1, tokens: line.match(TOKEN) ?? [], at: 1 };
    switch (word) {
      case "target":
        target = rest;
        break;
      case "license":
        license = JSON.parse(rest) as string;
        break;
      case "needs":
        needs.push(rest);
        break;
      case "source":
        sources.push({ path: quoted(cursor), text: quoted(cursor) });
        break;
      case "map":
        maps.push(readMap(rest));
        break;
      case "global":
        globals.push(readGlobal(rest));
        break;
      case "func": {
        const end = closing(lines, at);
        functions.push(readFunc(lines, at, end, cursor));
        at = end;
        break;
      }
      case "program": {
        const [, section = "", type = "", attach = ""] = line.split(" ");
        const end = closing(lines, at);
        cursor.at = cursor.tokens.indexOf("func") + 1;
        programs.push({ section, type, attachType: Number(attach), func: readFunc(lines, at, end, cursor) });
        at = end;
        break;
      }
      default:
        fail({ ...cursor, at: 0 }, "unknown line");
    }
  }
  return { license, target, needs, maps, globals, functions, programs, sources };
}

const unhex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"));

function readMap(rest: string): MapSpec {
  const [name = ""] = rest.split(" ", 1);
  const parsed = JSON.parse(rest.slice(name.length + 1)) as Omit<MapSpec, "name" | "initial"> & {
    initial?: { key: string; value: string }[];
  };
  const initial = (parsed.initial ?? []).map((e) => ({ key: unhex(e.key), value: unhex(e.value) }));
  return { ...parsed, name, initial };
}

function readGlobal(rest: string): GlobalVar {
  const [name = ""] = rest.split(" ", 1);
  const parsed = JSON.parse(rest.slice(name.length + 1)) as Omit<GlobalVar, "name" | "init"> & { init: string };
  return { ...parsed, name, init: unhex(parsed.init) };
}

function closing(lines: readonly string[], from: number): number {
  const end = lines.findIndex((line, at) => at > from && line.trim() === "}");
  if (end === -1) throw new SyntaxError(`IR line ${from + 1}: this function is not closed by "}"`);
  return end;
}

function readFunc(lines: readonly string[], start: number, end: number, head: Cursor): Func {
  const values = new Map<number, Value>();
  const name = next(head);
  const params = definitionList(head, values);
  const returns = accept(head, "->") ? type(head) : undefined;
  expect(head, "{");
  const span = place(head);

  // Uses may come before definitions in the text (blocks in any order), so all definitions are read first.
  const cursors: Cursor[] = [];
  for (let at = start + 1; at < end; at++) {
    const line = lines[at]!.replace(/^\s*#.*$/, "").trim();
    if (line === "") continue;
    const cursor: Cursor = { line: at + 1, tokens: line.match(TOKEN) ?? [], at: 0 };
    cursors.push(cursor);
    if (/^b\d+$/.test(peek(cursor))) {
      definitionList({ ...cursor, at: 1 }, values);
    } else if (peek(cursor).startsWith("%")) {
      definition({ ...cursor }, values);
    }
  }

  const blocks: Block[] = [];
  let open: { id: number; params: readonly Value[]; loop?: Span; insts: Inst[] } | undefined;
  for (const cursor of cursors) {
    if (/^b\d+$/.test(peek(cursor)) && cursor.tokens.includes(":")) {
      if (open) fail(cursor, `block b${open.id} has no end`);
      const id = Number(next(cursor).slice(1));
      const blockParams = peek(cursor) === "(" ? definitionList(cursor, values) : [];
      expect(cursor, ":");
      open = { id, params: blockParams, insts: [] };
      if (accept(cursor, "loop")) open.loop = place(cursor);
      continue;
    }
    if (!open) {
      fail(cursor, "expected a block");
      continue;
    }
    const finish = readEnd(cursor, values);
    if (finish) {
      blocks.push({
        id: open.id,
        params: open.params,
        insts: open.insts,
        end: finish,
        ...(open.loop ? { loop: open.loop } : {}),
      });
      open = undefined;
    } else {
      open.insts.push(readInst(cursor, values));
    }
    if (cursor.at < cursor.tokens.length) fail(cursor, "unexpected text");
  }
  if (open) throw new SyntaxError(`IR line ${end + 1}: block b${open.id} has no end`);
  return { name, params, ...(returns ? { returns } : {}), blocks, span };
}

function type(c: Cursor): Type {
  const word = next(c);
  if (word === "w32" || word === "w64") return word;
  if (word !== "ptr") return fail({ ...c, at: c.at - 1 }, "expected a type");
  const to = next(c);
  if (Object.hasOwn(PLAIN_POINTEES, to)) return `ptr ${to}` as Type;
  if (!Object.hasOwn(NAMED_POINTEES, to)) return fail({ ...c, at: c.at - 1 }, "expected what the pointer leads to");
  expect(c, "(");
  const name = next(c);
  expect(c, ")");
  return `ptr ${to}(${name})` as Type;
}

function definition(c: Cursor, values: Map<number, Value>): Value {
  const [, id = "", name] = /^%(\d+)(?:\.(.+))?$/.exec(next(c)) ?? fail(c, "expected a value");
  expect(c, ":");
  const known = values.get(Number(id));
  const made: Value = { id: Number(id), type: type(c), ...(name ? { name } : {}) };
  if (known) return known;
  values.set(made.id, made);
  return made;
}

function definitionList(c: Cursor, values: Map<number, Value>): Value[] {
  const found: Value[] = [];
  if (!accept(c, "(")) return found;
  while (!accept(c, ")")) {
    found.push(definition(c, values));
    accept(c, ",");
  }
  return found;
}

function use(c: Cursor, values: ReadonlyMap<number, Value>): Value {
  const token = next(c);
  return values.get(Number(token.slice(1))) ?? fail({ ...c, at: c.at - 1 }, `unknown value ${token}`);
}

function useList(c: Cursor, values: ReadonlyMap<number, Value>): Value[] {
  const found: Value[] = [];
  if (!accept(c, "(")) return found;
  while (!accept(c, ")")) {
    found.push(use(c, values));
    accept(c, ",");
  }
  return found;
}

function place(c: Cursor): Span {
  const spot = (): { file: number; start: number; end: number } => {
    expect(c, "@");
    const file = integer(c);
    expect(c, ":");
    const start = integer(c);
    return { file, start, end: -integer(c) };
  };
  if (peek(c) !== "@") return { file: 0, start: 0, end: 0 };
  const inner = spot();
  const chain: { kind: "call" | "loop"; what: string | number; at: { file: number; start: number; end: number } }[] =
    [];
  while (peek(c) === "call" || peek(c) === "loop") {
    const kind = next(c) as "call" | "loop";
    const what = peek(c).startsWith('"') ? quoted(c) : integer(c);
    chain.push({ kind, what, at: spot() });
  }
  const via = chain.reduceRight<Expansion | undefined>(
    (outer, link) => ({ kind: link.kind, what: link.what, at: { ...link.at, ...(outer ? { via: outer } : {}) } }),
    undefined,
  );
  return { ...inner, ...(via ? { via } : {}) };
}

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

function readEnd(c: Cursor, values: ReadonlyMap<number, Value>): End | undefined {
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

function readInst(c: Cursor, values: Map<number, Value>): Inst {
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
