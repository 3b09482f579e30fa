/** A generated program as TypeScript source. Every operator is put in parentheses: precedence is the parser's test, not this one's. */
import {
  type Element,
  type Expr,
  type Field,
  type FieldType,
  type Func,
  type Given,
  type Global,
  INTS,
  type New,
  type Place,
  type Program,
  type ScalarName,
  type Stmt,
  type Struct,
} from "./ast.ts";

export function printProgram(program: Program): string {
  const body = printBody(program);
  // noUnusedLocals: what is imported must be used.
  const used = (name: string): boolean => new RegExp(`(?<![\\w.])${name}\\b`).test(body);
  const names = [
    "array",
    "ArrayMap",
    "be16",
    "be32",
    "HashMap",
    "htonl",
    "htons",
    "i32",
    "i64",
    "license",
    "max",
    "min",
    "ntohl",
    "ntohs",
    "param",
    "range",
    "sizeOf",
    "struct",
    "u16",
    "u32",
    "u64",
    "u8",
  ].filter(used);
  return `import { ${names.join(", ")} } from "tsbpf";\nimport { sockOps } from "tsbpf/tcp";\n${body}`;
}

function printBody(program: Program): string {
  const lines: string[] = ['license("GPL");', ""];
  for (const struct of [...program.structs, program.input, program.output]) lines.push(printStruct(struct));
  lines.push("export const input = new ArrayMap({ value: In, maxEntries: 1 });");
  lines.push("export const output = new ArrayMap({ value: Out, maxEntries: 1 });");
  for (const map of program.maps) {
    const value = typeof map.value === "string" ? map.value : map.value.name;
    const of = `value: ${value}, maxEntries: ${map.maxEntries} });`;
    lines.push(`export const ${map.name} = new ${map.kind === "hash" ? "HashMap({ key: u32," : "ArrayMap({"} ${of}`);
  }
  for (const param of program.params) {
    lines.push(`export const ${param.name} = param(${param.type}, ${literal(param.initial, INTS[param.type].big)});`);
  }
  for (const { name, type, value } of program.constants) lines.push(`const ${name}: ${type} = ${bare(value)};`);
  for (const global of program.globals) lines.push(printGlobal(global));
  for (const func of program.functions) lines.push("", ...printFunc(func));
  lines.push("", "export const program = sockOps(() => {");
  const body = printStmts(program.body, "  ");
  if (body.some((line) => /\binp\b/.test(line))) lines.push("  const inp = input.get(0);");
  lines.push("  const out = output.get(0);", ...body);
  lines.push("  return 1;", "});", "");
  return lines.join("\n");
}

function printStruct(struct: Struct): string {
  const fields = struct.fields.map((field: Field) => `${field.name}: ${fieldType(field.type)}`);
  return `class ${struct.name} extends struct({ ${fields.join(", ")} }${struct.packed ? ", { packed: true }" : ""}) {}`;
}
function fieldType(type: FieldType): string {
  switch (type.kind) {
    case "scalar":
      return type.of;
    case "array":
      return `array(${type.of}, ${type.length})`;
    case "list":
      return `array(${type.of.name}, ${type.length})`;
    case "struct":
      return type.of.name;
  }
}
function printGlobal(global: Global): string {
  return global.kind === "scalar"
    ? `let ${global.name}: ${global.type} = ${literal(global.initial, INTS[global.type].big)};`
    : `const ${global.name}: ${global.struct.name} = new ${global.struct.name}();`;
}
function printFunc(func: Func): string[] {
  const named = (type: ScalarName | Struct): string => (typeof type === "string" ? type : type.name);
  const params = func.params.map((param) => `${param.name}: ${named(param.type)}`).join(", ");
  return [`function ${func.name}(${params}): ${named(func.returns)} {`, ...printStmts(func.body, "  "), "}"];
}

const literal = (value: bigint, big: boolean): string => `${value}${big ? "n" : ""}`;

/** Where the other operand or a declaration gives a literal its type, it stands bare; elsewhere a cast names the type. */
const bare = (expr: Expr): string =>
  expr.kind === "literal" ? literal(expr.value, INTS[expr.type].big) : printExpr(expr);
const isLiteral = (expr: Expr): boolean => expr.kind === "literal";
const beside = (expr: Expr, other: Expr): string => (isLiteral(other) ? printExpr(expr) : bare(expr));
const pair = (left: Expr, op: string, right: Expr): string =>
  // One side of two literals must say its type.
  `(${isLiteral(left) ? beside(left, right) : printExpr(left)} ${op} ${bare(right)})`;

const printCall = (call: { readonly func: string; readonly args: readonly Given[] }): string =>
  `${call.func}(${call.args.map(printGiven).join(", ")})`;
function printNew({ struct, init }: New): string {
  const given = init.map(({ field, value }) => `${field}: ${printGiven(value)}`).join(", ");
  return `new ${struct.name}(${given === "" ? "" : `{ ${given} }`})`;
}
const printGiven = (given: Given): string =>
  given.kind === "whole" ? printPlace(given.place) : given.kind === "new" ? printNew(given) : bare(given);
/** `case (x = y): {` and `case (x ? y : z): {` may be read as the head of an arrow function. */
const printLabel = (label: Expr): string =>
  label.kind === "assign" || label.kind === "conditional" ? `(${bare(label)})` : bare(label);

export function printExpr(expr: Expr): string {
  switch (expr.kind) {
    case "literal":
      return `${expr.type}(${literal(expr.value, INTS[expr.type].big)})`;
    case "truth":
      return String(expr.value);
    case "size":
      return `sizeOf(${expr.struct.name})`;
    case "read":
      return printPlace(expr.place);
    case "arithmetic":
      return pair(expr.left, expr.op, expr.right);
    case "shift":
      return `(${printExpr(expr.left)} ${expr.op} ${bare(expr.count)})`;
    case "compare":
      return pair(expr.left, expr.op, expr.right);
    case "logic":
      return `(${printExpr(expr.left)} ${expr.op} ${printExpr(expr.right)})`;
    case "not":
      return `(!${printExpr(expr.value)})`;
    case "unary":
      return `(${expr.op}${printExpr(expr.value)})`;
    case "cast": {
      const { value } = expr;
      return `${expr.type}(${value.kind === "literal" && value.type === expr.type ? bare(value) : printExpr(value)})`;
    }
    case "conditional":
      return `(${printExpr(expr.test)} ? ${beside(expr.then, expr.else)} : ${bare(expr.else)})`;
    case "pick":
      return `${expr.op}(${beside(expr.left, expr.right)}, ${bare(expr.right)})`;
    case "swap":
      return `${{ be16: "htons", u16: "ntohs", be32: "htonl", u32: "ntohl" }[expr.type]}(${bare(expr.value)})`;
    case "call":
      return printCall(expr);
    case "assign":
      return `(${printPlace(expr.place)} = ${bare(expr.value)})`;
    case "step":
      return expr.prefix ? `(${expr.op}${printPlace(expr.place)})` : `(${printPlace(expr.place)}${expr.op})`;
    case "element":
      return `(${printPlace(expr.array)}[${bare(expr.index)}] ?? ${bare(expr.otherwise)})`;
    case "map-get":
      return `(${expr.map}.get(${bare(expr.key)}) ?? ${bare(expr.otherwise)})`;
    case "map-set":
      return `${expr.map}.set(${bare(expr.key)}, ${bare(expr.value)}${expr.mode === "any" ? "" : `, "${expr.mode}"`})`;
    case "map-delete":
      return `${expr.map}.delete(${bare(expr.key)})`;
  }
}

export function printPlace(place: Place): string {
  return place.path.reduce((text, step) => {
    switch (step.kind) {
      case "field":
        return `${text}.${step.name}`;
      case "at":
        return `${text}[${step.index}]`;
      case "at-counter":
        return `${text}[${step.counter}]`;
      case "at-masked":
        return `${text}[${printExpr(step.index)} & ${step.mask}]`;
    }
  }, place.root);
}

const block = (head: string, body: readonly Stmt[], indent: string): string[] => [
  `${indent}${head} {`,
  ...printStmts(body, indent + "  "),
  `${indent}}`,
];

function printStmts(stmts: readonly Stmt[], indent: string): string[] {
  return stmts.flatMap((stmt) => printStmt(stmt, indent));
}

function printStmt(stmt: Stmt, indent: string): string[] {
  const labelled = (label: string | undefined): string => (label === undefined ? "" : `${label}: `);
  switch (stmt.kind) {
    case "let":
      return [`${indent}${stmt.fixed ? "const" : "let"} ${stmt.name}: ${stmt.type} = ${bare(stmt.init)};`];
    case "let-struct":
      return [`${indent}const ${stmt.name}: ${stmt.made.struct.name} = ${printNew(stmt.made)};`];
    case "refer-call":
      return [`${indent}const ${stmt.name} = ${printCall(stmt)};`];
    case "let-copy":
      return [`${indent}const ${stmt.name}: ${stmt.struct.name} = new ${stmt.struct.name}(${printPlace(stmt.from)});`];
    case "refer": {
      const { instead } = stmt;
      const test = instead ? `${printExpr(instead.test)} ? ` : "";
      const other = instead ? ` : ${printPlace(instead.place)}` : "";
      return [`${indent}const ${stmt.name} = ${test}${printPlace(stmt.from)}${other};`];
    }
    case "copy-struct":
      return [`${indent}${printPlace(stmt.to)} = ${printPlace(stmt.from)};`];
    case "set":
      return [`${indent}${printPlace(stmt.place)} ${stmt.op}= ${bare(stmt.value)};`];
    case "run":
      return [`${indent}${withoutParentheses(printExpr(stmt.expr))};`];
    case "if": {
      const then = block(`if (${withoutParentheses(printExpr(stmt.test))})`, stmt.then, indent);
      if (stmt.else.length === 0) return then;
      return [...then.slice(0, -1), `${indent}} else {`, ...printStmts(stmt.else, indent + "  "), `${indent}}`];
    }
    case "switch": {
      const inner = indent + "  ";
      const arm = (head: string, body: readonly Stmt[]): string[] => {
        const leaves = ["break", "continue", "return"].includes(body.at(-1)?.kind ?? "");
        return [
          `${inner}${head} {`,
          ...printStmts(body, inner + "  "),
          ...(leaves ? [] : [`${inner}  break;`]),
          `${inner}}`,
        ];
      };
      const arms = stmt.cases.map(({ labels, body }) => [
        ...labels.slice(0, -1).map((label) => `${inner}case ${printLabel(label)}:`),
        ...arm(`case ${printLabel(labels.at(-1)!)}:`, body),
      ]);
      if (stmt.default) arms.splice(stmt.default.at, 0, arm("default:", stmt.default.body));
      return [`${indent}switch (${withoutParentheses(printExpr(stmt.value))}) {`, ...arms.flat(), `${indent}}`];
    }
    case "range": {
      const bounds = stmt.count ? `${bare(stmt.count)}, ${stmt.most}` : `${stmt.most}`;
      return block(`${labelled(stmt.label)}for (const ${stmt.counter} of range(${bounds}))`, stmt.body, indent);
    }
    case "for": {
      const { big } = INTS[stmt.type];
      const type = stmt.type === "u32" ? "" : `: ${stmt.type}`;
      const step = stmt.by < 0n ? `-= ${literal(-stmt.by, big)}` : `+= ${literal(stmt.by, big)}`;
      const next =
        stmt.by === 1n ? `${stmt.counter}++` : stmt.by === -1n ? `${stmt.counter}--` : `${stmt.counter} ${step}`;
      const head = `let ${stmt.counter}${type} = ${literal(stmt.from, big)}; ${stmt.counter} ${stmt.op} ${literal(stmt.to, big)}; ${next}`;
      return block(`${labelled(stmt.label)}for (${head})`, stmt.body, indent);
    }
    case "for-of":
      return block(`for (const ${stmt.name} of ${printPlace(stmt.array)})`, stmt.body, indent);
    case "with-entry": {
      const lookup = `${indent}const ${stmt.name} = ${stmt.map}.get(${bare(stmt.key)});`;
      return [lookup, ...printStmt({ kind: "if", test: named(stmt.name), then: stmt.then, else: stmt.else }, indent)];
    }
    case "with-element": {
      const type = stmt.declared ? `: ${stmt.declared.name} | undefined` : "";
      const element = `${indent}const ${stmt.name}${type} = ${printPlace(stmt.list)}[${bare(stmt.index)}];`;
      return [element, ...printStmt({ kind: "if", test: named(stmt.name), then: stmt.then, else: stmt.else }, indent)];
    }
    case "walk": {
      const element = ({ list, index }: Element): string => `${printPlace(list)}[${bare(index)}]`;
      const inner = `${indent}  `;
      return [
        `${indent}let ${stmt.name}: ${stmt.struct.name} | undefined = ${stmt.first ? element(stmt.first) : "undefined"};`,
        `${indent}for (const ${stmt.counter} of range(${stmt.turns})) {`,
        ...printStmt({ kind: "if", test: named(stmt.name), then: stmt.then, else: stmt.else }, inner),
        `${inner}${stmt.name} = ${element(stmt.next)};`,
        `${indent}}`,
      ];
    }
    case "break":
    case "continue":
      return [`${indent}${stmt.kind}${stmt.label === undefined ? "" : ` ${stmt.label}`};`];
    case "return":
      return [`${indent}return ${printGiven(stmt.value)};`];
  }
}

const named = (root: string): Expr => ({ kind: "read", type: "boolean", place: { root, path: [], type: "boolean" } });

/** `((a + b))` reads better as `(a + b)`: the outer pair goes when it encloses the whole. */
function withoutParentheses(text: string): string {
  if (!text.startsWith("(") || !text.endsWith(")")) return text;
  let depth = 0;
  for (let i = 0; i < text.length - 1; i++) {
    if (text[i] === "(") depth++;
    if (text[i] === ")" && --depth === 0) return text;
  }
  return text.slice(1, -1);
}
