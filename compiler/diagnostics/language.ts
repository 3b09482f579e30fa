/** Rows about the language: what the subset has, statements and expressions. */
import type { ImportRefused, Span } from "../span.ts";
import type { Fix } from "./fix.ts";
import { nearestFirst } from "./nearest.ts";
import { row } from "./row.ts";

/** "a, b or c". */
export const oneOf = (list: readonly string[]): string =>
  list.length < 2 ? (list[0] ?? "nothing") : `${list.slice(0, -1).join(", ")} or ${list[list.length - 1]}`;

export const language = {
  syntax: row<{ text: string }>("error", (f) => f.text),
  "type-error": row<{
    code: number;
    message: string;
    help?: string;
    /** The value that does not fit, where the checker points elsewhere. */
    place?: Span;
    fix?: Fix | undefined;
  }>(
    "error",
    (f) => `${f.message} (TS${f.code})`,
    (f) => f.help,
  ),
  unused: row<{ name: string; imported: boolean }>(
    "warning",
    (f) => `${f.name} is never used`,
    (f) => (f.imported ? "remove it from the import" : "use it, or remove it"),
  ),
  "unused-parameter": row<{ name: string }>(
    "warning",
    (f) => `the parameter ${f.name} is never used`,
    (f) => `remove it, or call it _${f.name}`,
  ),
  "nested-too-deep": row<{ what: string; depth: number; instead: string }>(
    "error",
    (f) =>
      f.depth === 0
        ? `${f.what} too deep to be compiled`
        : `${f.what} ${f.depth} deep here: the compiler cannot follow`,
    (f) => f.instead,
  ),
  "too-many-branches": row(
    "warning",
    () =>
      "too many branches in one function: TypeScript's checker gave up, and only the compiler's own checks were made",
    () => "split the function, or use a switch or a map",
  ),
  "checker-failed": row<{ text: string }>(
    "error",
    (f) => `TypeScript's own checker fails on this file (${f.text})`,
    () => "look for a name that is given twice in one object or class, or take out what was written last",
  ),
  "source-too-large": row<{ size: number; limit: number }>(
    "error",
    (f) => `the source has ${f.size} characters, the limit is ${f.limit}`,
    () => "split it, or load large tables into maps at run time",
  ),
  "empty-file": row(
    "error",
    () => "the file is empty",
    () => "start from an example: programs/ndiffports.ts",
  ),
  "no-programs": row<{ makers: readonly string[] }>(
    "error",
    () => "the file has no programs",
    (f) => `export what ${oneOf(f.makers.map((name) => `${name}()`))} gives: export const name = ${f.makers[0]}({ … })`,
  ),
  "not-exported": row<{ name: string }>(
    "error",
    (f) => `${f.name} is not exported, so it would not become a program`,
    (f) => `write export const ${f.name} = …`,
  ),
  "missing-import": row<{
    name: string;
    relative: boolean;
    refused?: ImportRefused;
    /** The language's modules, where one of them was meant. */
    modules?: readonly string[];
  }>(
    "error",
    (f) =>
      f.refused
        ? `the file ${f.name} is not read: ${f.refused.refused}`
        : f.relative
          ? `cannot find the file ${f.name}`
          : `there is no module ${f.name} for BPF programs`,
    (f) =>
      f.refused
        ? f.refused.help
        : f.relative
          ? "give the path from this file, with .ts"
          : f.modules
            ? `the modules are ${nearestFirst(f.name, f.modules).join(", ")}`
            : "programs can import tsbpf and its modules, files of their own, and what tsconfig's paths and the packages of their workspace lead to",
  ),
  "not-understood": row(
    "error",
    () => "the compiler does not understand this",
    () => "write it in simpler steps",
  ),
  "not-in-bpf": row<{ what: string; instead: string }>(
    "error",
    (f) => `${f.what} cannot be compiled to BPF`,
    (f) => f.instead,
  ),
  "javascript-global": row<{ name: string; instead: string }>(
    "error",
    (f) => `${f.name} is JavaScript's and not there in BPF`,
    (f) => f.instead,
  ),
  "top-level-statement": row(
    "error",
    () => "only declarations can stand at the top level: nothing runs before the first event",
    () => "move it into a handler, or make it the initial value of a variable",
  ),
  "default-export": row<{ kind: string | undefined }>(
    "error",
    () => "export default gives no name, and what becomes part of an object is found by its name",
    (f) => `write export ${f.kind === undefined ? "const name = …" : f.kind}`,
  ),
  "top-level-only": row<{ name: string }>(
    "error",
    (f) => `${f.name}() belongs at the top level of the file`,
    () => "declare it as a constant of its own and use its name here",
  ),
  enum: row<{ name: string; members: string }>(
    "error",
    () => "enum is not part of the language: it does not disappear when types are erased",
    (f) => `write constants: const ${f.name} = { ${f.members} } as const;`,
  ),
  class: row<{ name: string }>(
    "error",
    () => "a class must be a struct",
    (f) => `write class ${f.name} extends struct({ field: u32 }) {}`,
  ),
  "struct-member": row<{ name: string }>(
    "error",
    (f) => `${f.name} is a struct: it has fields and nothing else`,
    () => "write a helper function that takes the struct",
  ),
  closure: row(
    "error",
    () => "functions are not values in BPF, and cannot be made inside of other functions",
    () => "declare the function at the top level and pass what it needs as parameters",
  ),
  async: row<{ name: string }>(
    "error",
    (f) => `${f.name} cannot be async: BPF programs run to completion`,
    () => "remove async, and call functions directly",
  ),
  generic: row<{ name: string }>(
    "error",
    (f) => `${f.name} has type parameters`,
    () => "write the types out, one function for each",
  ),
  "type-guard": row(
    "error",
    () => "a type guard would change what is known of a value without a check that the compiler sees",
    () => "return boolean, and compare where it is used",
  ),
  "no-body": row<{ name: string }>(
    "error",
    (f) => `${f.name} has no body`,
    () => "write the function, or import it",
  ),
  throw: row(
    "error",
    () => "BPF cannot throw",
    () => "return early instead",
  ),
  var: row<{ name: string }>(
    "error",
    () => "var has the scope of the whole function",
    (f) => `write let ${f.name} or const ${f.name}`,
  ),
  destructuring: row<{ instead: string }>(
    "error",
    () => "destructuring is not part of the language",
    (f) => f.instead,
  ),
  spread: row<{ of: "record" | "list" }>(
    "error",
    (f) => `a spread makes a ${f.of} whose ${f.of === "record" ? "fields are" : "length is"} not known`,
    (f) =>
      f.of === "record"
        ? "list the fields one by one; copy a whole struct with new S(other)"
        : "list the values one by one, or loop where they come from: for (const x of …)",
  ),
  "reference-replaced": row<{ name: string; what: string; copy: string }>(
    "error",
    (f) =>
      `${f.name} may stand for the struct that ${f.what} replaces: JavaScript would keep the old one for it, and its memory is the new one's`,
    (f) => `copy what is still needed: const ${f.name} = ${f.copy}; or take the reference again after this line`,
  ),
  "replaced-in-use": row<{ what: string }>(
    "error",
    (f) => `${f.what} replaces a struct that the expression or loop around it still uses: its memory is the new one's`,
    () => "assign in a statement of its own, before or after",
  ),
  "reference-assigned": row<{ name: string; copy: string }>(
    "error",
    (f) => `${f.name} refers to a struct that lies elsewhere, and cannot be made to stand for another one`,
    (f) => `refer with another name: const other = …; or begin with a copy, which can be assigned: let own = ${f.copy}`,
  ),
  "reference-copied": row<{ name: string; from: string; copy: string }>(
    "error",
    (f) => `in JavaScript ${f.name} and ${f.from} would stand for one struct after this`,
    (f) => `copy it: ${f.name} = ${f.copy}; or refer to it by a name of its own: const other = ${f.from}`,
  ),
  "reference-outlives": row<{ name: string; what: string; copy: string }>(
    "error",
    (f) => `${f.name} would keep a struct that each turn of the loop makes anew in the same memory`,
    (f) =>
      `declare a variable for it before the loop and copy: ${f.name} = ${f.copy}; or keep a number that finds it again, such as its index`,
  ),
  "copy-written": row<{ name: string; into: string }>(
    "warning",
    (f) => `${f.name} was copied before, and what is written to it here is never read`,
    (f) => `write to ${f.into} instead, or before the copy is made`,
  ),
  "stale-reference": row<{ name: string; what: string; how: "set" | "delete" }>(
    "warning",
    (f) =>
      `${f.name} may stand for the entry that ${f.what} ${f.how === "set" ? "replaces" : "removes"}: the kernel may give its memory to another one`,
    (f) => `use ${f.name} before this line, or get it again after it`,
  ),
  "loop-variable": row(
    "error",
    () => "a loop declares its own variable",
    () => "write for (const x of …)",
  ),
  "loose-equality": row<{ found: string; instead: string; fix?: Fix }>(
    "error",
    (f) => `${f.found} converts its operands before it compares`,
    (f) => `write ${f.instead}`,
  ),
  "string-built": row(
    "error",
    () => "strings cannot be made at run time: there is no heap",
    () => "use string constants and compare them whole; print with log`text ${value}`",
  ),
  "string-type": row(
    "error",
    () => "string is not a type of the language: which texts it can be must be known",
    () => 'list them: "bbr" | "reno", or use cstring(16)',
  ),
  "array-method": row<{ name: string; length: number }>(
    "error",
    (f) => `lists have no ${f.name}(): they do not grow, and there are no closures`,
    (f) => `assign list[i] for i below ${f.length}, or loop: for (const x of list)`,
  ),
  assertion: row<{ type: string; cast?: string }>(
    "error",
    (f) => `as ${f.type} claims a type without checking it`,
    (f) => (f.cast === undefined ? "give the value its type where it is made" : `convert it: ${f.cast}`),
  ),
  "non-null-assertion": row<{ test: string; fix?: Fix | undefined }>(
    "error",
    () => "! claims that a value is there without checking it",
    (f) => `test it first: ${f.test}`,
  ),
  any: row<{ text: string }>(
    "error",
    (f) => `${f.text} is not a type of the language`,
    () => "name the type: u32, a struct, TcpConn, …",
  ),
  recursion: row<{ cycle: readonly string[] }>(
    "error",
    (f) => `recursion: ${f.cycle.join(" → ")}`,
    () => "functions are inlined, so none can call itself: write a loop over range(…)",
  ),
  "ignored-errno": row<{ name: string }>(
    "error",
    (f) => `${f.name} is set on every segment here, and nobody sees when the kernel refuses`,
    () => "look at the result: if (conn.setSockOpt(…) !== 0) …, or set it in established or parse",
  ),
  "range-outside-loop": row<{ call: string }>(
    "error",
    () => "range() belongs in a loop",
    (f) => `write for (const i of ${f.call}) { … }`,
  ),
  "range-bound": row<{ text: string }>(
    "error",
    () => "cannot prove that this loop ends: its bound is not constant",
    (f) => `give it a constant maximum: range(${f.text}, 16)`,
  ),
  "not-iterable": row<{ found: string; instead?: string }>(
    "error",
    (f) => `cannot loop over ${f.found}`,
    (f) => f.instead ?? "loop over range(n), an array of fixed length, or an ArrayMap",
  ),
} as const;
