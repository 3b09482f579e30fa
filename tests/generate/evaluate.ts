/**
 * What a generated program must do, by the language's rules alone: an evaluator over the syntax tree that shares nothing
 * with the compiler. Integers are BigInt, wrapped to their type after every operation; be16 and be32 are held as the
 * number a little-endian load of their bytes gives.
 */
import {
  type Constant,
  type Element,
  type Expr,
  type FieldType,
  type Func,
  type Given,
  type IntName,
  INTS,
  type Place,
  type Program,
  promoted,
  type Stmt,
  type Struct,
} from "./ast.ts";

export type Scalar = bigint | boolean;
export type Value = Scalar | bigint[] | StructValue | StructValue[];
export interface StructValue {
  [field: string]: Value;
}
/** A map of the program, its keys in no order. */
export type MapContent = Map<bigint, Value>;

/** All memory that outlives a run. */
export interface World {
  readonly input: StructValue;
  readonly output: StructValue;
  readonly globals: Map<string, Value>;
  readonly maps: Map<string, MapContent>;
}

const EEXIST = -17n;
const ENOENT = -2n;
const E2BIG = -7n;

export function wrap(type: IntName, value: bigint): bigint {
  const { bits, signed } = INTS[type];
  return signed ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value);
}

export function zeroStruct(struct: Struct): StructValue {
  const value: StructValue = {};
  for (const { name, type } of struct.fields) {
    value[name] =
      type.kind === "scalar"
        ? 0n
        : type.kind === "array"
          ? Array.from({ length: type.length }, () => 0n)
          : type.kind === "list"
            ? Array.from({ length: type.length }, () => zeroStruct(type.of))
            : zeroStruct(type.of);
  }
  return value;
}

/** Bytes of a value and what its address must be a multiple of, as C lays it out. */
function extent(type: FieldType): { readonly size: number; readonly align: number } {
  if (type.kind === "scalar") {
    const size = type.of === "be16" ? 2 : type.of === "be32" ? 4 : INTS[type.of].bits / 8;
    return { size, align: size };
  }
  if (type.kind === "struct") {
    const all = type.of.fields.map((field) => extent(field.type));
    const align = type.of.packed ? 1 : Math.max(...all.map((one) => one.align));
    const up = (at: number, to: number): number => Math.ceil(at / to) * to;
    const end = all.reduce((at, one) => up(at, type.of.packed ? 1 : one.align) + one.size, 0);
    return { size: up(end, align), align };
  }
  const one = extent(type.kind === "list" ? { kind: "struct", of: type.of } : { kind: "scalar", of: type.of });
  return { size: one.size * type.length, align: one.align };
}

export function newWorld(program: Program): World {
  return {
    input: zeroStruct(program.input),
    output: zeroStruct(program.output),
    globals: new Map(program.globals.map((g) => [g.name, g.kind === "scalar" ? g.initial : zeroStruct(g.struct)])),
    maps: new Map(
      program.maps.map((map) => {
        const zero = (): Value => (typeof map.value === "string" ? 0n : zeroStruct(map.value));
        const slots = map.kind === "array" ? map.maxEntries : 0;
        return [map.name, new Map(Array.from({ length: slots }, (_, slot) => [BigInt(slot), zero()]))];
      }),
    ),
  };
}

interface Cell {
  value: Value;
}
type Scope = Map<string, Cell>[];
type Leaving =
  | { readonly kind: "break" | "continue"; readonly label: string | undefined }
  | { readonly kind: "return"; readonly value: Value };

interface Machine {
  readonly program: Program;
  readonly world: World;
  readonly params: ReadonlyMap<string, bigint>;
  readonly functions: ReadonlyMap<string, Func>;
}

/** Runs the program once, changing `world`. */
export function evaluate(program: Program, world: World, params: ReadonlyMap<string, bigint> = new Map()): void {
  const machine: Machine = {
    program,
    world,
    params: new Map([
      ...program.params.map((p) => [p.name, params.get(p.name) ?? p.initial] as const),
      ...constantValues(program.constants),
    ]),
    functions: new Map(program.functions.map((f) => [f.name, f])),
  };
  const scope: Scope = [
    new Map([
      ["inp", { value: world.input }],
      ["out", { value: world.output }],
    ]),
  ];
  runBlock(machine, scope, program.body);
}

/** What each constant is. */
export function constantValues(constants: readonly Constant[]): Map<string, bigint> {
  const known = new Map<string, bigint>();
  for (const { name, value } of constants) known.set(name, constantValue(value, known));
  return known;
}
/** The value of an expression of literals and known constants. */
export function constantValue(expr: Expr, known: ReadonlyMap<string, bigint>): bigint {
  const nothing = { globals: new Map(), maps: new Map(), input: {}, output: {} };
  const machine = { program: undefined as unknown as Program, world: nothing, params: known, functions: new Map() };
  return scalar(machine, [], expr) as bigint;
}

function runBlock(machine: Machine, scope: Scope, body: readonly Stmt[]): Leaving | undefined {
  const inner = [...scope, new Map<string, Cell>()];
  for (const stmt of body) {
    const leaving = run(machine, inner, stmt);
    if (leaving) return leaving;
  }
  return undefined;
}

const declare = (scope: Scope, name: string, value: Value): void => void scope.at(-1)!.set(name, { value });
const within = (scope: Scope, name: string, value: Value): Scope => [...scope, new Map([[name, { value }]])];

function run(machine: Machine, scope: Scope, stmt: Stmt): Leaving | undefined {
  switch (stmt.kind) {
    case "let":
      declare(scope, stmt.name, scalar(machine, scope, stmt.init));
      return undefined;
    case "let-struct":
      declare(scope, stmt.name, given(machine, scope, stmt.made));
      return undefined;
    case "refer-call":
      declare(scope, stmt.name, call(machine, scope, stmt));
      return undefined;
    case "let-copy":
      declare(scope, stmt.name, structuredClone(locate(machine, scope, stmt.from).get()));
      return undefined;
    case "refer": {
      const from = stmt.instead && !truth(scalar(machine, scope, stmt.instead.test)) ? stmt.instead.place : stmt.from;
      declare(scope, stmt.name, locate(machine, scope, from).get());
      return undefined;
    }
    case "copy-struct": {
      // Another struct than before, as in JavaScript: a name that stands for the old one would show the difference.
      const to = locate(machine, scope, stmt.to);
      to.set(structuredClone(locate(machine, scope, stmt.from).get()));
      return undefined;
    }
    case "set": {
      const place = locate(machine, scope, stmt.place);
      if (stmt.op === "") {
        place.set(scalar(machine, scope, stmt.value));
        return undefined;
      }
      const type = stmt.place.type as IntName;
      const before = place.get() as bigint;
      const value = scalar(machine, scope, stmt.value) as bigint;
      const result = isShift(stmt.op)
        ? shift(promoted(type), stmt.op, before, value)
        : arithmetic(promoted(type), stmt.op, before, value);
      place.set(wrap(type, result));
      return undefined;
    }
    case "run":
      scalar(machine, scope, stmt.expr);
      return undefined;
    case "if":
      return runBlock(machine, scope, truth(scalar(machine, scope, stmt.test)) ? stmt.then : stmt.else);
    case "switch": {
      const value = scalar(machine, scope, stmt.value);
      const matches = (label: Expr): boolean => scalar(machine, scope, label) === value;
      const arm = stmt.cases.find(({ labels }) => labels.some(matches))?.body ?? stmt.default?.body ?? [];
      const leaving = runBlock(machine, scope, arm);
      return leaving?.kind === "break" && leaving.label === undefined ? undefined : leaving;
    }
    case "range": {
      const most = BigInt(stmt.most);
      const count = stmt.count ? (scalar(machine, scope, stmt.count) as bigint) : most;
      for (let i = 0n; i < count && i < most; i++) {
        const leaving = runBlock(machine, within(scope, stmt.counter, i), stmt.body);
        const after = afterTurn(leaving, stmt.label);
        if (after === "next") continue;
        return after === "end" ? undefined : leaving;
      }
      return undefined;
    }
    case "for": {
      const inner = within(scope, stmt.counter, stmt.from);
      const counter = inner.at(-1)!.get(stmt.counter)!;
      while (compare(stmt.op, counter.value as bigint, stmt.to)) {
        const leaving = runBlock(machine, inner, stmt.body);
        const after = afterTurn(leaving, stmt.label);
        if (after !== "next") return after === "end" ? undefined : leaving;
        counter.value = wrap(stmt.type, (counter.value as bigint) + stmt.by);
      }
      return undefined;
    }
    case "for-of": {
      const array = locate(machine, scope, stmt.array).get() as (bigint | StructValue)[];
      for (let i = 0; i < stmt.length; i++) {
        const leaving = runBlock(machine, within(scope, stmt.name, array[i]!), stmt.body);
        const after = afterTurn(leaving, undefined);
        if (after !== "next") return after === "end" ? undefined : leaving;
      }
      return undefined;
    }
    case "with-entry": {
      const key = scalar(machine, scope, stmt.key) as bigint;
      const entry = machine.world.maps.get(stmt.map)!.get(key);
      return entry === undefined
        ? runBlock(machine, scope, stmt.else)
        : runBlock(machine, within(scope, stmt.name, entry), stmt.then);
    }
    case "with-element": {
      const list = locate(machine, scope, stmt.list).get() as StructValue[];
      const index = scalar(machine, scope, stmt.index) as bigint;
      return index >= 0n && index < BigInt(stmt.length)
        ? runBlock(machine, within(scope, stmt.name, list[Number(index)]!), stmt.then)
        : runBlock(machine, scope, stmt.else);
    }
    case "walk": {
      const element = (inner: Scope, { list, length, index }: Element): StructValue | undefined => {
        const structs = locate(machine, inner, list).get() as StructValue[];
        const at = scalar(machine, inner, index) as bigint;
        return at >= 0n && at < BigInt(length) ? structs[Number(at)]! : undefined;
      };
      let now = stmt.first && element(scope, stmt.first);
      for (let i = 0; i < stmt.turns; i++) {
        const counted = within(scope, stmt.counter, BigInt(i));
        const leaving =
          now === undefined
            ? runBlock(machine, counted, stmt.else)
            : runBlock(machine, within(counted, stmt.name, now), stmt.then);
        const after = afterTurn(leaving, undefined);
        if (after !== "next") return after === "end" ? undefined : leaving;
        // After `continue` it stands for what it did.
        if (leaving === undefined) now = element(counted, stmt.next);
      }
      return undefined;
    }
    case "break":
    case "continue":
      return { kind: stmt.kind, label: stmt.label };
    case "return":
      return { kind: "return", value: given(machine, scope, stmt.value) };
  }
}

/** A struct as itself: who puts it into a field copies it. */
function given(machine: Machine, scope: Scope, value: Given): Value {
  if (value.kind === "whole") return locate(machine, scope, value.place).get();
  if (value.kind !== "new") return scalar(machine, scope, value);
  const fields = value.init.map(
    ({ field, value: one }) => [field, structuredClone(given(machine, scope, one))] as const,
  );
  return { ...zeroStruct(value.struct), ...Object.fromEntries(fields) };
}

function call(machine: Machine, scope: Scope, { func: name, args }: { func: string; args: readonly Given[] }): Value {
  const func = machine.functions.get(name)!;
  const values = args.map((arg) => given(machine, scope, arg));
  const frame: Scope = [new Map(func.params.map((param, i) => [param.name, { value: values[i]! }]))];
  const leaving = runBlock(machine, frame, func.body);
  if (leaving?.kind !== "return") throw new Error(`${name} ended without a value`);
  return leaving.value;
}

/** What a loop does after its body: go on, end, or let an outer statement have it. */
function afterTurn(leaving: Leaving | undefined, label: string | undefined): "next" | "end" | "out" {
  if (!leaving) return "next";
  if (leaving.kind === "return") return "out";
  if (leaving.label !== undefined && leaving.label !== label) return "out";
  return leaving.kind === "continue" ? "next" : "end";
}

const truth = (value: Scalar): boolean => (typeof value === "boolean" ? value : value !== 0n);
const isShift = (op: string): op is "<<" | ">>" | ">>>" => op === "<<" || op === ">>" || op === ">>>";

/** Division as RFC 9669 has it: by zero 0, the dividend for a remainder; toward zero; no overflow trap. */
function arithmetic(type: IntName, op: string, left: bigint, right: bigint): bigint {
  const a = wrap(type, left);
  const b = wrap(type, right);
  switch (op) {
    case "+":
      return wrap(type, a + b);
    case "-":
      return wrap(type, a - b);
    case "*":
      return wrap(type, a * b);
    case "/":
      return b === 0n ? 0n : wrap(type, a / b);
    case "%":
      return b === 0n ? a : wrap(type, a % b);
    case "&":
      return wrap(type, a & b);
    case "|":
      return wrap(type, a | b);
    case "^":
      return wrap(type, a ^ b);
    default:
      throw new Error(`no such operator: ${op}`);
  }
}

function shift(type: "u32" | "i32" | "u64" | "i64", op: "<<" | ">>" | ">>>", left: bigint, count: bigint): bigint {
  const { bits } = INTS[type];
  const by = BigInt.asUintN(64, count) % BigInt(bits);
  if (op === "<<") return wrap(type, left << by);
  return op === ">>" ? wrap(type, left >> by) : BigInt.asUintN(bits, left) >> by;
}

function compare(op: string, left: bigint, right: bigint): boolean {
  switch (op) {
    case "<":
      return left < right;
    case "<=":
      return left <= right;
    case ">":
      return left > right;
    case ">=":
      return left >= right;
    case "===":
      return left === right;
    case "!==":
      return left !== right;
    default:
      throw new Error(`no such comparison: ${op}`);
  }
}

function swapBytes(bits: 16 | 32, value: bigint): bigint {
  let result = 0n;
  for (let i = 0; i < bits; i += 8) result = (result << 8n) | ((value >> BigInt(i)) & 0xffn);
  return result;
}

function scalar(machine: Machine, scope: Scope, expr: Expr): Scalar {
  const int = (inner: Expr): bigint => scalar(machine, scope, inner) as bigint;
  switch (expr.kind) {
    case "literal":
    case "truth":
      return expr.value;
    case "size":
      return BigInt(extent({ kind: "struct", of: expr.struct }).size);
    case "read":
      return locate(machine, scope, expr.place).get() as Scalar;
    case "arithmetic": {
      const left = int(expr.left);
      return arithmetic(expr.type, expr.op, left, int(expr.right));
    }
    case "shift": {
      const left = int(expr.left);
      return shift(promoted(expr.left.type as IntName), expr.op, left, int(expr.count));
    }
    case "compare": {
      const left = int(expr.left);
      const right = int(expr.right);
      return expr.as in INTS
        ? compare(expr.op, wrap(expr.as as IntName, left), wrap(expr.as as IntName, right))
        : compare(expr.op, left, right);
    }
    case "logic": {
      const left = truth(scalar(machine, scope, expr.left));
      if (expr.op === "&&" ? !left : left) return left;
      return truth(scalar(machine, scope, expr.right));
    }
    case "not":
      return !truth(scalar(machine, scope, expr.value));
    case "unary": {
      const value = int(expr.value);
      return wrap(expr.type, expr.op === "-" ? -value : ~value);
    }
    case "cast": {
      const value = scalar(machine, scope, expr.value);
      return wrap(expr.type, typeof value === "boolean" ? BigInt(value) : value);
    }
    case "conditional":
      return scalar(machine, scope, truth(scalar(machine, scope, expr.test)) ? expr.then : expr.else);
    case "pick": {
      const left = int(expr.left);
      const right = int(expr.right);
      return (expr.op === "min") === left < right ? left : right;
    }
    case "swap":
      return swapBytes(expr.type === "be16" || expr.type === "u16" ? 16 : 32, int(expr.value));
    case "call":
      return call(machine, scope, expr) as Scalar;
    case "assign": {
      const place = locate(machine, scope, expr.place);
      const value = scalar(machine, scope, expr.value);
      place.set(value);
      return value;
    }
    case "step": {
      const place = locate(machine, scope, expr.place);
      const before = place.get() as bigint;
      const after = wrap(expr.type, expr.op === "++" ? before + 1n : before - 1n);
      place.set(after);
      return expr.prefix ? after : before;
    }
    case "element": {
      const array = locate(machine, scope, expr.array).get() as bigint[];
      const index = int(expr.index);
      return index >= 0n && index < BigInt(expr.length) ? array[Number(index)]! : int(expr.otherwise);
    }
    case "map-get": {
      const entry = machine.world.maps.get(expr.map)!.get(int(expr.key));
      return entry === undefined ? int(expr.otherwise) : (entry as bigint);
    }
    case "map-set": {
      const map = machine.world.maps.get(expr.map)!;
      const key = int(expr.key);
      const value = int(expr.value);
      if (map.has(key) && expr.mode === "insert") return EEXIST;
      if (!map.has(key) && expr.mode === "update") return ENOENT;
      const { maxEntries } = machine.program.maps.find((decl) => decl.name === expr.map)!;
      if (!map.has(key) && map.size >= maxEntries) return E2BIG;
      map.set(key, value);
      return 0n;
    }
    case "map-delete":
      return machine.world.maps.get(expr.map)!.delete(int(expr.key)) ? 0n : ENOENT;
  }
}

interface Located {
  readonly get: () => Value;
  readonly set: (value: Value) => void;
}

/** Finds a place once: indices are evaluated here, before the value that is stored. */
function locate(machine: Machine, scope: Scope, place: Place): Located {
  let holder: Located = root(machine, scope, place.root);
  for (const step of place.path) {
    const container = holder.get() as Record<string | number, Value>;
    const key =
      step.kind === "field"
        ? step.name
        : step.kind === "at"
          ? step.index
          : step.kind === "at-counter"
            ? Number(root(machine, scope, step.counter).get())
            : Number((scalar(machine, scope, step.index) as bigint) & BigInt(step.mask));
    if (!(key in container)) throw new Error(`nothing at ${key} of ${place.root}`);
    holder = { get: () => container[key]!, set: (value) => void (container[key] = value) };
  }
  return holder;
}

function root(machine: Machine, scope: Scope, name: string): Located {
  const cell = scope.findLast((level) => level.has(name))?.get(name);
  if (cell) return { get: () => cell.value, set: (value) => void (cell.value = value) };
  const { globals } = machine.world;
  if (globals.has(name)) return { get: () => globals.get(name)!, set: (value) => void globals.set(name, value) };
  const param = machine.params.get(name);
  if (param === undefined) throw new Error(`no variable ${name}`);
  return {
    get: () => param,
    set: () => {
      throw new Error(`${name} is a parameter of the loader`);
    },
  };
}
