/** Loops. They stay loops in the IR; the unroll pass peels them, and reports those whose end it cannot see. */
import { ts } from "ts-morph";
import type { Label } from "../ir/build.ts";
import type { Span } from "../span.ts";
import type { ArrayLayout } from "../layout.ts";
import { elementPlace } from "./access.ts";
import { condition } from "./conditions.ts";
import { constantInteger } from "./declare.ts";
import type { MapEntity } from "./entities.ts";
import { at, bare, bind, fail, scoped, scratch, type Lowering } from "./lowering.ts";
import { alwaysThere, isArray, lookupPointer } from "./map-calls.ts";
import { asPlace, read } from "./memory.ts";
import { entityAt } from "./names.ts";
import { holding } from "./references.ts";
import type { Role } from "./roles.ts";
import { ERROR, type Context, type Operand, type Place, type Scalar } from "./operand.ts";
import { variables } from "./variables.ts";
import { U32 } from "./types.ts";
import { familyOfSlot, localAddressesCall, localAddressList } from "./local-address-loop.ts";
import { beginSubflows, mostSubflows, subflowsCall } from "./subflow-loop.ts";
import { convert, describe } from "./values.ts";
import { block, expression, statement } from "./visit.ts";

/** The head of a loop, from `for` to the closing parenthesis: what errors about the loop point at. */
function head(f: Lowering, node: ts.IterationStatement): Span {
  const whole = at(f, node);
  if (ts.isDoStatement(node)) return at(f, node.expression);
  const end = node.statement.getFullStart();
  return { ...whole, end: Math.max(whole.start + 1, end) };
}

/** The body in a scope of its own; `names` are the labels before the loop. */
function turn(
  f: Lowering,
  node: ts.IterationStatement,
  names: readonly string[],
  onBreak: ReturnType<Lowering["b"]["label"]>,
  onContinue: ReturnType<Lowering["b"]["label"]>,
  leave?: () => void,
): void {
  f.jumps.push({ names, onBreak, onContinue, ...(leave ? { leave } : {}) });
  if (ts.isBlock(node.statement)) block(f, node.statement);
  else scoped(f, () => statement(f, node.statement));
  f.jumps.pop();
}

export function whileLoop(f: Lowering, node: ts.WhileStatement, names: readonly string[]): void {
  const span = head(f, node);
  const header = f.b.loop(span);
  const inside = f.b.label();
  const done = f.b.label();
  condition(f, node.expression, inside, done);
  f.b.place(inside);
  turn(f, node, names, done, header);
  f.b.jump(header, span);
  f.b.place(done);
}

export function doLoop(f: Lowering, node: ts.DoStatement, names: readonly string[]): void {
  const span = head(f, node);
  const header = f.b.loop(span);
  const test = f.b.label();
  const done = f.b.label();
  turn(f, node, names, done, test);
  f.b.jump(test, span);
  f.b.place(test);
  condition(f, node.expression, header, done);
  f.b.place(done);
}

export function forLoop(f: Lowering, node: ts.ForStatement, names: readonly string[]): void {
  const span = head(f, node);
  scoped(f, () => {
    const init = node.initializer;
    if (init && ts.isVariableDeclarationList(init)) variables(f, init);
    else if (init) expression(f, init);
    const header = f.b.loop(span);
    const inside = f.b.label();
    const next = f.b.label();
    const done = f.b.label();
    if (node.condition) condition(f, node.condition, inside, done);
    else f.b.jump(inside, span);
    f.b.place(inside);
    turn(f, node, names, done, next);
    f.b.jump(next, span);
    f.b.place(next);
    if (node.incrementor) expression(f, node.incrementor);
    f.b.jump(header, span);
    f.b.place(done);
  });
}

export function forOfLoop(f: Lowering, node: ts.ForOfStatement, names: readonly string[]): void {
  if (node.awaitModifier)
    return void fail(f, "not-in-bpf", node.awaitModifier, { what: "for await", instead: "for (const x of list)" });
  const name = loopVariable(f, node);
  const over = bare(node.expression);
  if (ts.isCallExpression(over)) {
    const entity = entityAt(f, over.expression);
    if (entity?.kind === "builtin" && entity.name === "range") return rangeLoop(f, node, names, name, over);
  }
  const subflows = subflowsCall(over);
  if (subflows) {
    const session = expression(f, subflows.of);
    if (session.kind === "context" && session.role === "mptcpSock")
      return subflowLoop(f, node, names, name, session, subflows.call);
    if (session.kind !== "error") notSubflows(f, over, session, `subflows of ${describe(session)}`);
    return unknownLoop(f, node, names, name);
  }
  const locals = localAddressesCall(over);
  if (locals) {
    const session = expression(f, locals.of);
    if (session.kind === "context" && (session.role === "session" || session.role === "ctx"))
      return localAddressLoop(f, node, names, name, locals.call);
    if (session.kind !== "error") fail(f, "not-iterable", over, { found: `local addresses of ${describe(session)}` });
    return unknownLoop(f, node, names, name);
  }
  const entity = entityAt(f, over);
  if (entity?.kind === "map") return mapLoop(f, node, names, name, entity);
  const operand = expression(f, over);
  if (operand.kind === "error") return unknownLoop(f, node, names, name);
  const place = operand.kind === "place" || operand.kind === "nullable" ? asPlace(f, operand, over) : undefined;
  if (place?.type.kind !== "array") {
    notSubflows(f, over, operand, describe(operand));
    return unknownLoop(f, node, names, name);
  }
  const list = place as Place & { readonly type: ArrayLayout };
  holding(f, list, () =>
    counted(f, node, names, list.type.length, undefined, (index) =>
      bindTurn(f, name, read(f, list.type.of, elementPlace(f, list, index, over), over, name?.text)),
    ),
  );
}

/** Roles of a scheduler's: who loops over one of them is after the subflows of the session. */
const OF_SESSIONS: readonly Role[] = ["mptcpSock", "subflow", "subflowTcp"];
/** Reports something that has no elements, with what was meant where that is plain. */
function notSubflows(f: Lowering, over: ts.Expression, operand: Operand, found: string): void {
  const isSession = operand.kind === "context" && operand.role === "mptcpSock";
  const of = isSession ? bare(subflowsCall(over)?.of ?? over).getText(f.file.tree) : "session";
  const instead = `${isSession ? "" : "only a session has subflows: "}for (const subflow of ${of}.subflows(8)) { … }`;
  const isMeant = subflowsCall(over) ?? (operand.kind === "context" && OF_SESSIONS.includes(operand.role));
  fail(f, "not-iterable", over, { found, ...(isMeant ? { instead } : {}) });
}

/** The name that each turn binds. */
function loopVariable(f: Lowering, node: ts.ForOfStatement): ts.Identifier | undefined {
  const init = node.initializer;
  const declaration = ts.isVariableDeclarationList(init) ? init.declarations[0] : undefined;
  if (declaration && ts.isIdentifier(declaration.name)) return declaration.name;
  if (declaration)
    fail(f, "destructuring", init, { instead: "give it one name, for (const x of …), and name its parts in the loop" });
  else fail(f, "loop-variable", init, undefined);
  return undefined;
}
function bindTurn(f: Lowering, name: ts.Identifier | undefined, operand: Operand): void {
  if (name) bind(f, name.text, { kind: "operand", operand, node: name, constant: true });
}

/** The body is looked at although it is not known what the loop is over. */
function unknownLoop(
  f: Lowering,
  node: ts.ForOfStatement,
  names: readonly string[],
  name: ts.Identifier | undefined,
): void {
  counted(f, node, names, 1, undefined, () => bindTurn(f, name, ERROR));
}

/**
 * A loop over 0 to max-1, at most `count` of them. The counter starts constant, so that peeling decides `index < max`. Binding a turn may end the
 * loop, or go on with the next one.
 */
function counted(
  f: Lowering,
  node: ts.ForOfStatement,
  names: readonly string[],
  max: number,
  count: Scalar["value"] | undefined,
  bindOne: (index: Scalar, done: Label, next: Label) => void,
  leave?: () => void,
): void {
  const span = head(f, node);
  const counter = { type: "w32" as const, name: "i" };
  f.b.set(counter, f.b.constant("w32", 0n, span));
  const header = f.b.loop(span);
  const inside = f.b.label();
  const next = f.b.label();
  const done = f.b.label();
  const index = f.b.get(counter);
  if (count) {
    const within = f.b.label();
    f.b.branch("ult", index, f.b.constant("w32", BigInt(max), span), within, done, span);
    f.b.place(within);
    f.b.branch("ult", index, count, inside, done, span);
  } else f.b.branch("ult", index, f.b.constant("w32", BigInt(max), span), inside, done, span);
  f.b.place(inside);
  scoped(f, () => {
    bindOne({ kind: "scalar", type: U32, value: index, range: { min: 0n, max: BigInt(max - 1) } }, done, next);
    turn(f, node, names, done, next, leave);
  });
  f.b.jump(next, span);
  f.b.place(next);
  f.b.set(counter, f.b.binary("add", index, f.b.constant("w32", 1n, span), span));
  f.b.jump(header, span);
  f.b.place(done);
  f.b.forget(counter);
}

/** The subflows of a session, in the kernel's order. */
function subflowLoop(
  f: Lowering,
  node: ts.ForOfStatement,
  names: readonly string[],
  name: ts.Identifier | undefined,
  session: Context,
  call: ts.CallExpression,
): void {
  const max = mostSubflows(f, call);
  if (max === undefined) return unknownLoop(f, node, names, name);
  const span = head(f, node);
  const { next, destroy } = beginSubflows(f, session, call);
  const outer = f.impossible;
  f.impossible = f.b.label();
  counted(f, node, names, max, undefined, (_, done) => bindTurn(f, name, next(done)), destroy);
  destroy();
  // What cannot happen in a turn leaves it in order, too.
  const after = f.b.label();
  f.b.jump(after, span);
  f.b.place(f.impossible);
  if (f.b.reachable()) destroy();
  f.b.jump(outer, span);
  f.b.place(after);
  f.impossible = outer;
}

/** The addresses of this host: the slots that are in use. */
function localAddressLoop(
  f: Lowering,
  node: ts.ForOfStatement,
  names: readonly string[],
  name: ts.Identifier | undefined,
  call: ts.CallExpression,
): void {
  const list = localAddressList(f, call);
  if (!list) return unknownLoop(f, node, names, name);
  const span = head(f, node);
  holding(f, list, () =>
    counted(f, node, names, list.type.length, undefined, (index, _, next) => {
      const slot = elementPlace(f, list, index, call);
      const used = f.b.label();
      const family = familyOfSlot(f, slot, list.type.of, call);
      f.b.branch("ne", family, f.b.constant("w32", 0n, span), used, next, span);
      f.b.place(used);
      bindTurn(f, name, read(f, list.type.of, slot, call, name?.text));
    }),
  );
}

/** `range(4)` and `range(count, 8)`. */
function rangeLoop(
  f: Lowering,
  node: ts.ForOfStatement,
  names: readonly string[],
  name: ts.Identifier | undefined,
  call: ts.CallExpression,
): void {
  const [first, second] = call.arguments;
  if (!first || call.arguments.length > 2) {
    fail(f, "argument-count", call, { what: "range", expected: "1 or 2 arguments" });
    return unknownLoop(f, node, names, name);
  }
  const bound = second ?? first;
  const max = isConstantBound(f, bound);
  const count = second ? convert(f, expression(f, first, U32), U32, first) : undefined;
  if (max === undefined || (second && !count)) return unknownLoop(f, node, names, name);
  counted(f, node, names, max, count, (index) => bindTurn(f, name, index));
}

/** The most turns of a range; reports a bound that is not constant with what to write instead. */
function isConstantBound(f: Lowering, node: ts.Expression): number | undefined {
  const before = f.state.diagnostics.length;
  const max = constantInteger(f, node, "the bound of range()");
  if (max === undefined) {
    const added = f.state.diagnostics.splice(before);
    if (added.some((one) => one.key !== "not-constant")) f.state.diagnostics.push(...added);
    else fail(f, "range-bound", node, { text: node.getText(f.file.tree).slice(0, 40) });
    return undefined;
  }
  // Larger ones would not fit the limit of instructions either; this error says it sooner.
  if (max >= 1 && max <= 65536) return max;
  return void fail(f, "count-range", node, { what: "the bound of range()", found: `${max}`, range: "1 to 65536" });
}

/** `for (const slot of arrayMap)`: every slot exists. */
function mapLoop(
  f: Lowering,
  node: ts.ForOfStatement,
  names: readonly string[],
  name: ts.Identifier | undefined,
  map: MapEntity,
): void {
  if (!isArray(map)) {
    fail(f, "not-iterable", node.expression, { found: `a ${map.mapKind}` });
    return unknownLoop(f, node, names, name);
  }
  const span = at(f, node.expression);
  counted(f, node, names, map.spec.maxEntries, undefined, (index) => {
    const key = scratch(f, 4, 4, "key", span);
    f.b.store(4, key, 0, index.value, span);
    bindTurn(f, name, alwaysThere(f, map, lookupPointer(f, map, key, node.expression), node.expression));
  });
}
