/**
 * Takes out of a generated program what TypeScript's noUnusedLocals and allowUnusedLabels refuse: variables that are never
 * read, functions that are never called, labels that nothing jumps to, structs without a use.
 */
import type { Element, Expr, Func, Given, Place, Program, Stmt } from "./ast.ts";

export function prune(program: Program): Program {
  let current = program;
  for (;;) {
    const next = pruneOnce(current);
    if (next === current) return withNamedCounters(current);
    current = next;
  }
}

interface Uses {
  readonly read: Set<string>;
  readonly called: Set<string>;
  readonly labels: Set<string>;
  /** Structs that are named: made, copied, measured. */
  readonly structs: Set<string>;
}
const noUses = (): Uses => ({ read: new Set(), called: new Set(), labels: new Set(), structs: new Set() });

function pruneOnce(program: Program): Program {
  const uses = noUses();
  const bodies = [program.body, ...program.functions.map((f) => f.body)];
  for (const body of bodies) body.forEach((stmt) => usesOfStmt(uses, stmt));
  for (const { value } of program.constants) usesOfExpr(uses, value);
  const constants = program.constants.filter((one) => uses.read.has(one.name));
  const dead = new Set<string>();
  for (const body of bodies) collectDead(body, uses, dead);
  for (const global of program.globals) if (!uses.read.has(global.name)) dead.add(global.name);
  const functions = program.functions.filter((f) => uses.called.has(f.name));
  const same = functions.length === program.functions.length && constants.length === program.constants.length;
  if (same && dead.size === 0 && !bodies.some((b) => hasDeadLabel(b, uses))) return program;
  const clean = (body: readonly Stmt[]): Stmt[] => body.flatMap((stmt) => dropStmt(stmt, dead, uses));
  return {
    ...program,
    constants,
    globals: program.globals.filter((g) => !dead.has(g.name)),
    functions: functions.map((f): Func => ({ ...f, body: clean(f.body) })),
    body: clean(program.body),
  };
}

function children(stmt: Stmt): readonly (readonly Stmt[])[] {
  switch (stmt.kind) {
    case "if":
    case "with-entry":
    case "with-element":
    case "walk":
      return [stmt.then, stmt.else];
    case "switch":
      return [...stmt.cases.map((c) => c.body), stmt.default?.body ?? []];
    case "range":
    case "for":
    case "for-of":
      return [stmt.body];
    default:
      return [];
  }
}

const DECLARES: ReadonlySet<Stmt["kind"]> = new Set(["let", "let-struct", "let-copy", "refer", "refer-call"]);
function collectDead(body: readonly Stmt[], uses: Uses, dead: Set<string>): void {
  for (const stmt of body) {
    if (DECLARES.has(stmt.kind) && "name" in stmt && !uses.read.has(stmt.name)) dead.add(stmt.name);
    for (const child of children(stmt)) collectDead(child, uses, dead);
  }
}
const labelOf = (stmt: Stmt): string | undefined =>
  stmt.kind === "range" || stmt.kind === "for" ? stmt.label : undefined;
function hasDeadLabel(body: readonly Stmt[], uses: Uses): boolean {
  return body.some((stmt) => {
    const label = labelOf(stmt);
    return (label !== undefined && !uses.labels.has(label)) || children(stmt).some((c) => hasDeadLabel(c, uses));
  });
}

/** A store to a whole variable is no use of it; a store through it (a field, an element) is. */
function usesOfTarget(uses: Uses, place: Place): void {
  if (place.path.length > 0) uses.read.add(place.root);
  usesOfPath(uses, place);
}
function usesOfPath(uses: Uses, place: Place): void {
  for (const step of place.path) {
    if (step.kind === "at-counter") uses.read.add(step.counter);
    if (step.kind === "at-masked") usesOfExpr(uses, step.index);
  }
}
function usesOfRead(uses: Uses, place: Place): void {
  uses.read.add(place.root);
  usesOfPath(uses, place);
}

function usesOfStmt(uses: Uses, stmt: Stmt): void {
  switch (stmt.kind) {
    case "let":
      usesOfExpr(uses, stmt.init);
      break;
    case "let-struct":
      usesOfGiven(uses, stmt.made);
      break;
    case "refer-call":
      usesOfCall(uses, stmt);
      break;
    case "let-copy":
      uses.structs.add(stmt.struct.name);
      usesOfRead(uses, stmt.from);
      break;
    case "refer":
      usesOfRead(uses, stmt.from);
      if (stmt.instead) {
        usesOfExpr(uses, stmt.instead.test);
        usesOfRead(uses, stmt.instead.place);
      }
      break;
    case "copy-struct":
      usesOfTarget(uses, stmt.to);
      usesOfRead(uses, stmt.from);
      break;
    case "set":
      usesOfTarget(uses, stmt.place);
      usesOfExpr(uses, stmt.value);
      break;
    case "run":
      usesOfExpr(uses, stmt.expr);
      break;
    case "if":
      usesOfExpr(uses, stmt.test);
      break;
    case "switch":
      usesOfExpr(uses, stmt.value);
      for (const { labels } of stmt.cases) for (const label of labels) usesOfExpr(uses, label);
      break;
    case "range":
      if (stmt.count) usesOfExpr(uses, stmt.count);
      break;
    case "for":
      // The condition reads the counter.
      uses.read.add(stmt.counter);
      break;
    case "for-of":
      usesOfRead(uses, stmt.array);
      break;
    case "with-entry":
      usesOfExpr(uses, stmt.key);
      break;
    case "with-element":
      usesOfRead(uses, stmt.list);
      usesOfExpr(uses, stmt.index);
      break;
    case "walk":
      for (const element of [stmt.first, stmt.next]) {
        if (!element) continue;
        usesOfRead(uses, element.list);
        usesOfExpr(uses, element.index);
      }
      break;
    case "break":
    case "continue":
      if (stmt.label !== undefined) uses.labels.add(stmt.label);
      break;
    case "return":
      usesOfGiven(uses, stmt.value);
      break;
  }
  for (const child of children(stmt)) child.forEach((inner) => usesOfStmt(uses, inner));
}

function usesOfCall(uses: Uses, call: { readonly func: string; readonly args: readonly Given[] }): void {
  uses.called.add(call.func);
  for (const arg of call.args) usesOfGiven(uses, arg);
}
function usesOfGiven(uses: Uses, given: Given): void {
  if (given.kind === "whole") usesOfRead(uses, given.place);
  else if (given.kind === "new") {
    uses.structs.add(given.struct.name);
    for (const { value } of given.init) usesOfGiven(uses, value);
  } else usesOfExpr(uses, given);
}

function usesOfExpr(uses: Uses, expr: Expr): void {
  switch (expr.kind) {
    case "read":
      usesOfRead(uses, expr.place);
      break;
    case "assign":
      usesOfTarget(uses, expr.place);
      break;
    case "step":
      usesOfRead(uses, expr.place);
      break;
    case "element":
      usesOfRead(uses, expr.array);
      break;
    case "call":
      return usesOfCall(uses, expr);
    case "size":
      uses.structs.add(expr.struct.name);
      break;
    default: // only what its operands are
      break;
  }
  for (const inner of operandsOf(expr)) usesOfExpr(uses, inner);
}

/** The numbers in what is given. */
const numbersOf = (given: Given): readonly Expr[] =>
  given.kind === "whole" ? [] : given.kind === "new" ? given.init.flatMap(({ value }) => numbersOf(value)) : [given];

export function operandsOf(expr: Expr): readonly Expr[] {
  switch (expr.kind) {
    case "literal":
    case "truth":
    case "size":
    case "read":
    case "step":
      return [];
    case "arithmetic":
    case "compare":
    case "logic":
    case "pick":
      return [expr.left, expr.right];
    case "shift":
      return [expr.left, expr.count];
    case "not":
    case "unary":
    case "cast":
    case "swap":
    case "assign":
      return [expr.value];
    case "conditional":
      return [expr.test, expr.then, expr.else];
    case "call":
      return expr.args.flatMap(numbersOf);
    case "element":
      return [expr.index, expr.otherwise];
    case "map-get":
      return [expr.key, expr.otherwise];
    case "map-set":
      return [expr.key, expr.value];
    case "map-delete":
      return [expr.key];
  }
}

function dropStmt(stmt: Stmt, dead: ReadonlySet<string>, uses: Uses): Stmt[] {
  const clean = (body: readonly Stmt[]): Stmt[] => body.flatMap((inner) => dropStmt(inner, dead, uses));
  const e = (expr: Expr): Expr => dropExpr(expr, dead);
  const at = (place: Place): Place => dropPlace(place, dead);
  const label = labelOf(stmt);
  const labelled = label !== undefined && uses.labels.has(label) ? { label } : {};
  switch (stmt.kind) {
    case "let":
      return dead.has(stmt.name) ? [] : [{ ...stmt, init: e(stmt.init) }];
    case "let-struct":
      return dead.has(stmt.name) ? [] : [{ ...stmt, made: dropGiven(stmt.made, dead) }];
    case "refer-call":
      return dead.has(stmt.name) ? [] : [{ ...stmt, args: stmt.args.map((arg) => dropGiven(arg, dead)) }];
    case "let-copy":
      return dead.has(stmt.name) ? [] : [{ ...stmt, from: at(stmt.from) }];
    case "refer": {
      const { instead } = stmt;
      const other = instead ? { instead: { test: e(instead.test), place: at(instead.place) } } : {};
      return dead.has(stmt.name) ? [] : [{ ...stmt, from: at(stmt.from), ...other }];
    }
    case "set":
      return dead.has(stmt.place.root) ? [] : [{ ...stmt, place: at(stmt.place), value: e(stmt.value) }];
    case "copy-struct":
      return [{ ...stmt, to: at(stmt.to), from: at(stmt.from) }];
    case "run":
      return stmt.expr.kind === "step" && dead.has(stmt.expr.place.root) ? [] : [{ ...stmt, expr: e(stmt.expr) }];
    case "if":
      return [{ ...stmt, test: e(stmt.test), then: clean(stmt.then), else: clean(stmt.else) }];
    case "switch":
      return [
        {
          ...stmt,
          value: e(stmt.value),
          cases: stmt.cases.map((c) => ({ labels: c.labels.map(e), body: clean(c.body) })),
          ...(stmt.default ? { default: { ...stmt.default, body: clean(stmt.default.body) } } : {}),
        },
      ];
    case "range": {
      const { label: _, ...rest } = stmt;
      return [{ ...rest, ...labelled, body: clean(stmt.body), ...(stmt.count ? { count: e(stmt.count) } : {}) }];
    }
    case "for": {
      const { label: _, ...rest } = stmt;
      return [{ ...rest, ...labelled, body: clean(stmt.body) }];
    }
    case "for-of":
      return [{ ...stmt, body: clean(stmt.body) }];
    case "with-entry":
      return [{ ...stmt, key: e(stmt.key), then: clean(stmt.then), else: clean(stmt.else) }];
    case "with-element":
      return [{ ...stmt, list: at(stmt.list), index: e(stmt.index), then: clean(stmt.then), else: clean(stmt.else) }];
    case "walk": {
      const element = (one: Element): Element => ({ ...one, list: at(one.list), index: e(one.index) });
      return [
        {
          ...stmt,
          next: element(stmt.next),
          then: clean(stmt.then),
          else: clean(stmt.else),
          ...(stmt.first ? { first: element(stmt.first) } : {}),
        },
      ];
    }
    case "return":
      return [{ ...stmt, value: dropGiven(stmt.value, dead) }];
    default:
      return [stmt];
  }
}

function dropPlace(place: Place, dead: ReadonlySet<string>): Place {
  const path = place.path.map((step) =>
    step.kind === "at-masked" ? { ...step, index: dropExpr(step.index, dead) } : step,
  );
  return { ...place, path };
}

function dropGiven<T extends Given>(given: T, dead: ReadonlySet<string>): T;
function dropGiven(given: Given, dead: ReadonlySet<string>): Given {
  if (given.kind === "whole") return { ...given, place: dropPlace(given.place, dead) };
  if (given.kind !== "new") return dropExpr(given, dead);
  return { ...given, init: given.init.map((one) => ({ ...one, value: dropGiven(one.value, dead) })) };
}

/** An assignment to a dead variable leaves the assigned value. */
function dropExpr(expr: Expr, dead: ReadonlySet<string>): Expr {
  const e = (inner: Expr): Expr => dropExpr(inner, dead);
  const at = (place: Place): Place => dropPlace(place, dead);
  switch (expr.kind) {
    case "assign": {
      const value = e(expr.value);
      if (!dead.has(expr.place.root)) return { ...expr, place: at(expr.place), value };
      // A literal would lose the type that the variable gave it.
      return value.kind === "literal" ? { kind: "cast", type: value.type, value } : value;
    }
    case "arithmetic":
    case "compare":
    case "logic":
    case "pick":
      return { ...expr, left: e(expr.left), right: e(expr.right) };
    case "shift":
      return { ...expr, left: e(expr.left), count: e(expr.count) };
    case "not":
    case "unary":
    case "cast":
    case "swap":
      return { ...expr, value: e(expr.value) };
    case "conditional":
      return { ...expr, test: e(expr.test), then: e(expr.then), else: e(expr.else) };
    case "call":
      return { ...expr, args: expr.args.map((arg) => dropGiven(arg, dead)) };
    case "read":
    case "step":
      return { ...expr, place: at(expr.place) };
    case "element":
      return { ...expr, array: at(expr.array), index: e(expr.index), otherwise: e(expr.otherwise) };
    case "map-get":
      return { ...expr, key: e(expr.key), otherwise: e(expr.otherwise) };
    case "map-set":
      return { ...expr, key: e(expr.key), value: e(expr.value) };
    case "map-delete":
      return { ...expr, key: e(expr.key) };
    default:
      return expr;
  }
}

/** TypeScript lets a loop variable go unused when its name starts with an underscore. Structs without a use go. */
function withNamedCounters(program: Program): Program {
  const uses = noUses();
  for (const { value } of program.constants) usesOfExpr(uses, value);
  for (const { params, returns } of program.functions)
    for (const type of [...params.map((param) => param.type), returns])
      if (typeof type !== "string") uses.structs.add(type.name);
  for (const body of [program.body, ...program.functions.map((f) => f.body)]) {
    body.forEach((stmt) => usesOfStmt(uses, stmt));
  }
  const rename = (body: readonly Stmt[]): Stmt[] => body.map((stmt) => renameStmt(stmt));
  const renameStmt = (stmt: Stmt): Stmt => {
    switch (stmt.kind) {
      case "if":
      case "with-entry":
      case "with-element":
        return { ...stmt, then: rename(stmt.then), else: rename(stmt.else) };
      case "walk":
        return {
          ...stmt,
          counter: uses.read.has(stmt.counter) ? stmt.counter : `_${stmt.counter}`,
          then: rename(stmt.then),
          else: rename(stmt.else),
        };
      case "switch":
        return {
          ...stmt,
          cases: stmt.cases.map((c) => ({ ...c, body: rename(c.body) })),
          ...(stmt.default ? { default: { ...stmt.default, body: rename(stmt.default.body) } } : {}),
        };
      case "range":
        return {
          ...stmt,
          counter: uses.read.has(stmt.counter) ? stmt.counter : `_${stmt.counter}`,
          body: rename(stmt.body),
        };
      case "for":
        return { ...stmt, body: rename(stmt.body) };
      case "for-of":
        return { ...stmt, name: uses.read.has(stmt.name) ? stmt.name : `_${stmt.name}`, body: rename(stmt.body) };
      default:
        return stmt;
    }
  };
  const functions = program.functions.map((f): Func => ({ ...f, body: rename(f.body) }));
  const body = rename(program.body);
  const used = new Set<string>();
  const useStruct = (name: string): void => {
    if (used.has(name)) return;
    used.add(name);
    for (const { type } of program.structs.find((s) => s.name === name)?.fields ?? []) {
      if (type.kind === "struct" || type.kind === "list") useStruct(type.of.name);
    }
  };
  for (const struct of [program.input, program.output])
    for (const { type } of struct.fields) if (type.kind === "struct") useStruct(type.of.name);
  for (const map of program.maps) if (typeof map.value !== "string") useStruct(map.value.name);
  for (const global of program.globals) if (global.kind === "struct") useStruct(global.struct.name);
  for (const { type } of [...program.input.fields, ...program.output.fields])
    if (type.kind === "struct" || type.kind === "list") useStruct(type.of.name);
  uses.structs.forEach(useStruct);
  return { ...program, functions, body, structs: program.structs.filter((s) => used.has(s.name)) };
}
