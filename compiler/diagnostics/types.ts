/** Rows about types: integers, byte order, conversions, places. */
import type { Span } from "../span.ts";
import type { Fix } from "./fix.ts";
import { nearestFew, nearestFirst } from "./nearest.ts";
import { row } from "./row.ts";

const article = (expected: string): string =>
  /^(a|an|one|the) /.test(expected)
    ? expected
    : expected.includes(" | ")
      ? `one of ${expected}`
      : `a value of type ${expected}`;

export const types = {
  "literal-range": row<{ value: string; type: string; range: string }>(
    "error",
    (f) => `${f.value} does not fit ${f.type}, which holds ${f.range}`,
    () => "use a wider type, or another value",
  ),
  fraction: row<{
    text: string;
    whole: string;
    /** What it is a factor of, in integers. */ product?: { text: string; fix: Fix };
  }>(
    "error",
    (f) => `${f.text} is not an integer`,
    (f) =>
      f.product
        ? `multiply, then divide: ${f.product.text}`
        : f.whole === "0"
          ? "count in smaller units: thousandths, say"
          : `write ${f.whole}, or count in smaller units`,
  ),
  "mixed-width": row<{
    left: string;
    right: string;
    help: string;
    /** The side that the remedy is about. */ place?: Span;
  }>(
    "error",
    (f) => `64-bit and 32-bit integers do not mix: ${f.left} with ${f.right}`,
    (f) => f.help,
  ),
  "signed-unsigned": row<{ signed: string; unsigned: string; /** The signed side. */ place?: Span }>(
    "error",
    (f) => `${f.signed} with ${f.unsigned}: a negative number would count as a large one`,
    (f) => `cast one side, ${f.unsigned}(…) or ${f.signed}(…), or annotate the variable`,
  ),
  "type-mismatch": row<{ expected: string; found: string; help?: string }>(
    "error",
    (f) => `expected ${f.expected}, found ${f.found}`,
    (f) => f.help ?? `give it ${article(f.expected)}`,
  ),
  "not-comparable": row<{
    left: string;
    right: string;
    help?: string;
    /** The side that the remedy is about. */ place?: Span;
  }>(
    "error",
    (f) => `${f.left} and ${f.right} cannot be equal: they are of different types`,
    (f) => f.help,
  ),
  "arms-differ": row<{ left: string; right: string }>(
    "error",
    (f) => `the two values have no common type: ${f.left} and ${f.right}`,
    () => "convert one of them",
  ),
  "no-operator": row<{ operator: string; left: string; right: string; help?: string }>(
    "error",
    (f) =>
      f.right === ""
        ? `${f.operator} has no meaning for ${f.left}`
        : `${f.operator} has no meaning between ${f.left} and ${f.right}`,
    (f) => f.help ?? "only integers have arithmetic",
  ),
  "network-order-arithmetic": row<{ operator: string; type: string; to: string; from: string }>(
    "error",
    (f) => `${f.operator} on ${f.type}: its bytes are in network order`,
    (f) => `convert first: ${f.to}(…), and back with ${f.from}(…)`,
  ),
  "converted-twice": row<{ name: string; type: string }>(
    "error",
    (f) => `${f.name}() of a value that is in network order already (${f.type})`,
    (f) => `leave out ${f.name}()`,
  ),
  "host-order-already": row<{ name: string; found: string }>(
    "error",
    (f) => `${f.name}() of a value that is in host order already (${f.found})`,
    (f) => `leave out ${f.name}(), or take a field in network order such as remotePort`,
  ),
  "division-by-zero": row(
    "error",
    () => "division by zero",
    () => "BPF gives 0 for it, JavaScript Infinity: write what you mean",
  ),
  "shift-count": row<{ count: string; type: string; last: number }>(
    "error",
    (f) => `a shift by ${f.count} leaves nothing of ${f.type}`,
    (f) => `shift by 0 to ${f.last}, or widen first: u64(…)`,
  ),
  "not-constant": row<{ what: string; help?: string }>(
    "error",
    (f) => `${f.what} must be known at compile time`,
    (f) => f.help ?? "use a literal or a const of literals",
  ),
  "count-range": row<{ what: string; found: string; range: string }>(
    "error",
    (f) => `${f.what} is ${f.found}: it must be ${f.range}`,
    () => "write another number",
  ),
  "literal-needed": row<{ what: string; example: string }>(
    "error",
    (f) => `${f.what} must be written out here`,
    (f) => `write ${f.example}`,
  ),
  "bad-address": row<{ text: string; example: string }>(
    "error",
    (f) => `${JSON.stringify(f.text)} is not an address`,
    (f) => `write one such as ${JSON.stringify(f.example)}`,
  ),
  "prefix-host-bits": row<{ text: string; network: string }>(
    "error",
    (f) => `${JSON.stringify(f.text)} has bits outside of its prefix, so no address would be in it`,
    (f) => `write ${JSON.stringify(f.network)}`,
  ),
  "string-too-long": row<{ text: string; bytes: number; size: number }>(
    "error",
    (f) => `${JSON.stringify(f.text)} has ${f.bytes} bytes, its place ${f.size}`,
    () => "shorten it, or make the cstring larger",
  ),
  "argument-count": row<{ what: string; expected: string }>(
    "error",
    (f) => `${f.what} takes ${f.expected}`,
    (f) => (f.what === "subflows" ? "say how many there are at most: subflows(8)" : undefined),
  ),
  "unknown-field": row<{ name: string; type: string; known: readonly string[] }>(
    "error",
    (f) => `${f.type} has no field ${f.name}`,
    (f) => (f.known.length > 0 ? `it has ${nearestFirst(f.name, f.known).join(", ")}` : undefined),
  ),
  "missing-field": row<{ name: string; type: string }>(
    "error",
    (f) => `${f.type} needs ${f.name}`,
    (f) => `add ${f.name}: …`,
  ),
  "no-member": row<{ name: string; found: string; known?: readonly string[] }>(
    "error",
    (f) => `${f.found} has no ${f.name}`,
    (f) =>
      f.known && f.known.length > 0
        ? `it has ${nearestFew(f.name, f.known)}`
        : /^[ui]\d/.test(f.found)
          ? "an integer has no members: compute with it, or print it with log`${value}`"
          : f.found.startsWith('"')
            ? `a text has no members: compare it as a whole, === ${f.found.split(" | ")[0]}`
            : undefined,
  ),
  "method-as-value": row<{ name: string; found: string }>(
    "error",
    (f) => `${f.name} is a method of ${f.found}: it can be called and nothing else`,
    (f) => `call it: ${f.name}(…)`,
  ),
  "log-call": row<{ text: string }>(
    "error",
    () => "log is not called: it stands before a text in backquotes",
    (f) => `write log${f.text} without parentheses`,
  ),
  "unsigned-compare": row<{ text: string; type: string; holds: boolean; help: string }>(
    "warning",
    (f) => `${f.text} ${f.holds ? "always" : "never"} holds: the left side is unsigned (${f.type})`,
    (f) => f.help,
  ),
  "unsigned-countdown": row<{
    text: string;
    name: string;
    type: string;
    help: string;
    /** Its name and its type, where it is declared. */
    place?: Span | undefined;
  }>(
    "error",
    (f) => `this loop does not end: ${f.name} is unsigned (${f.type}), so ${f.text} always holds`,
    (f) => f.help,
  ),
  "zero-or-missing": row<{ text: string; or: boolean }>(
    "warning",
    (f) => `${f.text} may be missing or 0, and both count as false here`,
    (f) =>
      f.or
        ? `to replace what is missing alone, write ${f.text} ?? …`
        : `say which is meant: ${f.text} === undefined, or (${f.text} ?? 0) === 0`,
  ),
  "definite-assignment": row<{ name: string; type: string }>(
    "error",
    (f) => `! claims that ${f.name} gets a value on every path, without checking it`,
    (f) => `leave out the !, and give it a value where a path has none: let ${f.name}: ${f.type} = …`,
  ),
  "not-a-function": row<{ name: string; found: string }>(
    "error",
    (f) => `${f.name} is not a function but ${f.found}`,
    (f) => `leave out the parentheses: ${f.name}`,
  ),
  "not-a-struct": row<{ found: string; help?: string }>(
    "error",
    (f) => `expected a struct or a list, found ${f.found}`,
    (f) => f.help,
  ),
  "not-a-value": row<{ found: string; what?: string }>(
    "error",
    (f) => `${f.found} is not a value that can be computed with`,
  ),
  "not-an-array": row<{ found: string }>(
    "error",
    (f) => `${f.found} has no elements`,
    () => "use a field of type array(T, n)",
  ),
  "array-length": row<{ expected: number; found: number }>(
    "error",
    (f) => `the list has ${f.found} elements, its place ${f.expected}`,
    (f) => `write all ${f.expected}`,
  ),
  "empty-array": row(
    "error",
    () => "an empty list has no type",
    () => "use a struct field of type array(T, n)",
  ),
  "index-range": row<{ index: string; length: number | undefined }>(
    "error",
    (f) =>
      f.length === undefined ? `an index cannot be ${f.index}` : `index ${f.index} is outside of a list of ${f.length}`,
    (f) => (f.length === undefined ? undefined : `use 0 to ${f.length - 1}`),
  ),
  "untyped-object": row(
    "error",
    () => "this record has no type: how it lies in memory is not known",
    () => "declare it: class Name extends struct({ … }) {}, and write new Name({ … })",
  ),
  "untyped-global": row<{ name: string; field: string }>(
    "error",
    (f) => `${f.name} is a record of constants: ${f.field} cannot change`,
    (f) =>
      `give it a struct type: class Counters extends struct({ ${f.field}: u32 }) {} and const ${f.name} = new Counters()`,
  ),
  "constant-assigned": row<{ name: string; instead?: string | undefined }>(
    "error",
    (f) => `${f.name} is a constant`,
    (f) => f.instead ?? `declare it with let ${f.name}`,
  ),
  "read-only": row<{ why: string; instead?: string }>(
    "error",
    (f) => `this cannot be written: ${f.why}`,
    (f) => f.instead ?? "copy it into a variable of your own",
  ),
  "not-assignable": row<{ why: string; help?: string }>(
    "error",
    (f) => `this cannot be assigned: ${f.why}`,
    (f) => f.help,
  ),
  "context-escapes": row<{ what: string; found?: string }>(
    "error",
    (f) => `${f.what} is only valid during its event and cannot be kept`,
    () => "keep what you need of it: an address, a port, a token",
  ),
  "needs-initial": row<{ name: string }>(
    "error",
    (f) => `${f.name} has neither a type nor a value`,
    (f) => `write let ${f.name}: u32 = 0`,
  ),
  "type-unknown": row<{ text: string }>(
    "error",
    (f) => `${f.text} is not a type of the language`,
    () => "use u8 to i64, be16, be32, boolean, a struct, a connection, or T | undefined",
  ),
  "union-type": row(
    "error",
    () => "a value has one type",
    () => 'use T | undefined, or texts: "client" | "server"',
  ),
  "parameter-type": row<{ name: string }>(
    "error",
    (f) => `the parameter ${f.name} needs a type`,
    (f) => `write ${f.name}: u32, or what it is: a struct, TcpConn, …`,
  ),
  "return-types": row<{ found: string }>(
    "error",
    (f) => `the function returned nothing before, and returns ${f.found} here`,
    () => "annotate the function's return type",
  ),
  "return-wide-optional": row(
    "error",
    () => "a function cannot return a 64-bit integer or undefined",
    () => "return the integer and a value that means missing, or a Ref from map.ref(key)",
  ),
  "atomic-field": row<{ name: string; found: string }>(
    "error",
    (f) => `${f.name} cannot be added to atomically: it is ${f.found}`,
    () =>
      "atomic operations work on aligned u32, i32, u64 and i64; values of an Ipv4Trie begin at multiples of 4, those of an IpTrie at multiples of 8",
  ),
  "log-values": row<{ count: number }>(
    "error",
    (f) => `log prints three values at most, not ${f.count}`,
    () => "write two lines",
  ),
  "log-value": row<{ found: string }>(
    "error",
    (f) => `log cannot print ${f.found}`,
    () => "print its fields: integers, booleans, addresses and ports",
  ),
  "socket-option": row<{ name: string; use: string; known: readonly string[] }>(
    "error",
    (f) => `${f.name} is not a socket option that a program can ${f.use}`,
    (f) => `use ${nearestFew(f.name, f.known)}`,
  ),
  "option-bytes": row<{ isHandler: boolean }>(
    "error",
    (f) =>
      f.isHandler
        ? "this option is always as long as its payload, so its length tells nothing"
        : "a function is not told how many bytes of the option came",
    (f) =>
      f.isHandler
        ? "write sizeOf(Payload), or give the option a length(conn, segment) handler"
        : "give it segment.optionBytes as a parameter of its own",
  ),
  "socket-option-sends": row<{ name: string }>(
    "error",
    (f) => `setting ${f.name} sends what is waiting, and this handler runs while a segment is being sent`,
    () => "set it in established or parse",
  ),
  "socket-option-value": row<{ name: string; value: number; least: number; most: number }>(
    "error",
    (f) => `no kernel takes ${f.value} for ${f.name}`,
    (f) => `give it ${f.least} to ${f.most}`,
  ),
} as const;
