/** Rows about what is declared: structs, maps, params, programs, and the object as a whole. */
import type { Fix } from "./fix.ts";
import { oneOf } from "./language.ts";
import { nearestFirst } from "./nearest.ts";
import { row } from "./row.ts";

export const declarations = {
  "not-a-field-type": row<{ text: string }>(
    "error",
    (f) => `${f.text} is not the type of a field`,
    () => "use u8, u16, u32, i32, u64, i64, be16, be32, array(T, n), cstring(n) or a struct",
  ),
  "duplicate-field": row<{ name: string }>("error", (f) => `two fields are called ${f.name}`),
  "reserved-name": row<{ name: string }>("error", (f) => `${f.name} cannot be the name of a field`),
  "empty-struct": row<{ name: string }>(
    "error",
    (f) => `${f.name} has no fields`,
    () => "give it one: struct({ value: u32 })",
  ),
  "global-type": row<{ found: string }>(
    "error",
    (f) => `a variable at the top level cannot hold ${f.found}`,
    () => "use an integer, a boolean, an address or a struct",
  ),
  "map-not-constant": row(
    "error",
    () => "maps are made before the program runs",
    () => "declare it at the top level: const name = new HashMap({ … })",
  ),
  "map-property": row<{ kind: string; name: string }>(
    "error",
    (f) => `this ${f.kind} has no ${f.name}`,
    (f) =>
      f.name === "maxEntries"
        ? "say how many entries it has: maxEntries: 64"
        : f.name === "bytes"
          ? "say how large it is: bytes: 65536"
          : `say its ${f.name} type: ${f.name}: u32`,
  ),
  "map-key-size": row<{ bytes: number; limit: number }>(
    "error",
    (f) => `the key has ${f.bytes} bytes; it must fit the stack of ${f.limit} bytes`,
    () => "use a smaller key",
  ),
  "map-value-size": row<{ kind: string; bytes: number; limit: number }>(
    "error",
    (f) => `the value has ${f.bytes} bytes; the kernel allows ${f.limit} in a ${f.kind}`,
    () => "make the value smaller, or use several entries",
  ),
  "map-index": row<{ index: string; map: string; maxEntries: number }>(
    "error",
    (f) => `${f.map} has no slot ${f.index}: its ${f.maxEntries} slots are 0 to ${f.maxEntries - 1}`,
    () => "use a smaller index, or raise maxEntries",
  ),
  "map-method": row<{ name: string; kind: string; known: readonly string[] }>(
    "error",
    (f) => `a ${f.kind} has no ${f.name}()`,
    (f) =>
      f.name === "has"
        ? "write get(key) !== undefined"
        : `it has ${oneOf(nearestFirst(f.name, f.known).map((one) => `${one}()`))}`,
  ),
  "update-mode": row<{ found: string }>(
    "error",
    (f) => `${f.found} is not an update mode`,
    () => 'use "any", "insert" or "update"',
  ),
  "ref-of-struct": row<{ map: string }>(
    "error",
    (f) => `the values of ${f.map} are structs: get() refers to them already`,
    () => "write get(key)",
  ),
  "ring-size": row<{ bytes: number; next: number }>(
    "error",
    (f) => `a ring buffer cannot have ${f.bytes} bytes: its size is a power of two and a multiple of the page size`,
    (f) => `write bytes: ${f.next}`,
  ),
  "too-many-initial": row<{ count: number; maxEntries: number }>(
    "error",
    (f) => `${f.count} initial values for ${f.maxEntries} slots`,
    () => "raise maxEntries, or leave some out",
  ),
  "payload-width": row<{ name: string; found: string }>(
    "error",
    (f) => `how many bytes ${f.name} takes is not known (${f.found})`,
    (f) => `say so: ${f.name}: u8(…) or htons(…), or write new S({ … })`,
  ),
  "handler-form": row<{ name: string }>(
    "error",
    (f) => `${f.name} must be a function that is written here or at the top level of a file`,
    (f) => `write ${f.name}(…) { … }`,
  ),
  "no-handlers": row<{ kind: string; example: string }>(
    "warning",
    (f) => `this ${f.kind} handles no event`,
    (f) => `add one: ${f.example}`,
  ),
  "option-property": row<{ name: string; example: string }>(
    "error",
    (f) => `a tcpOption needs ${f.name}`,
    (f) => `add ${f.example}`,
  ),
  "option-kind": row<{ kind: number; reserved: boolean; experiment: boolean }>(
    "error",
    (f) =>
      f.experiment
        ? `experiments use kind 253 or 254, not ${f.kind}`
        : f.reserved
          ? `option kind ${f.kind} belongs to the kernel`
          : `${f.kind} is not an option kind`,
    (f) => (f.experiment ? "leave kind out: it is 254 then" : "use another kind from 6 to 252, or experiment: 0x…"),
  ),
  "experiment-missing": row<{ kind: number }>(
    "error",
    (f) => `kind ${f.kind} is shared by experiments and needs an identifier (RFC 6994)`,
    () => "add experiment: 0xda01",
  ),
  "experiment-id": row<{ id: number }>(
    "error",
    (f) => `an experiment identifier has 16 bits, ${f.id} does not fit`,
    () => "use 0 to 0xffff",
  ),
  "option-too-large": row<{ payload: string; bytes: number; limit: number; target: string }>(
    "error",
    (f) => `an option with ${f.payload} has ${f.bytes} bytes; ${f.target} takes ${f.limit} at most`,
    () => "make the payload smaller: all options of a header share 40 bytes",
  ),
  "never-writes": row(
    "error",
    () => "write never runs: nothing calls startWriting()",
    () => "call conn.startWriting() in established, or remove write",
  ),
  "length-without-write": row(
    "error",
    () => "length never runs: this option has no write",
    () => "add write(conn, option) { … }, or leave length out: what is only read is as long as its payload",
  ),
  "writes-alone": row(
    "warning",
    () => "write never runs: nothing calls startWriting()",
    () => "add established(conn) { conn.startWriting(); }",
  ),
  "stack-variable": row<{ name: string; type: string; size: number; limit: number }>(
    "error",
    (f) => `${f.name} takes ${f.size} bytes of the ${f.limit}-byte stack`,
    (f) =>
      `keep it in a map: const memory = new ArrayMap({ value: ${f.type}, maxEntries: 1 }) at the top level, and const ${f.name} = memory.get(0) here`,
  ),
  "mixed-families": row(
    "error",
    () => "the two ends of the path are of different address families",
    () => "use IPv4 or IPv6 for both",
  ),
  "needs-kernel": row<{ what: string; target: string; other: string }>(
    "error",
    (f) => `${f.what} is not there on the target ${f.target}`,
    (f) => `build for a kernel that has it: --target ${f.other}`,
  ),
  "needs-newer-kernel": row<{ what: string; since: string; oldest: string }>(
    "error",
    (f) => `${f.what} came with Linux ${f.since}, and the object is for ${f.oldest} and later`,
    (f) => `leave it out, or build for newer kernels alone: --kernel ${f.since}`,
  ),
  "kernel-fixed": row<{ asked: string; target: string; release: string }>(
    "warning",
    (f) => `the target ${f.target} is Linux ${f.release} and no other: Linux ${f.asked} is not what it is built for`,
    () => "leave --kernel out",
  ),
  license: row<{ id: string; known: readonly string[] }>(
    "error",
    (f) => `${JSON.stringify(f.id)} is not a license that the kernel knows`,
    (f) => `use ${oneOf(f.known.map((one) => JSON.stringify(one)))}`,
  ),
  "license-twice": row<{ id: string; other: string }>(
    "error",
    (f) => `an object has one license, not both ${f.other} and ${f.id}`,
    () => "keep one",
  ),
  "no-license": row<{ fix?: Fix | undefined }>(
    "error",
    () => "the object has no license",
    () => 'add license("GPL");',
  ),
  "needs-gpl": row<{ what: string }>(
    "error",
    (f) => `${f.what} is for programs with a GPL-compatible license`,
    () => 'write license("GPL"), or leave it out',
  ),
  "name-collision": row<{
    what: string;
    name: string;
    other: string;
    cut: string;
    length: number | undefined;
    /** The constant that both are programs of. */
    of?: string;
  }>(
    "error",
    (f) =>
      f.name === f.other
        ? `two ${f.what}s are called ${f.name}`
        : `names are kept in ${f.length === undefined ? "" : `${f.length} `}letters of ASCII, digits and _: the ${f.what}s ${f.other} and ${f.name} are both ${f.cut}`,
    (f) =>
      f.of === undefined
        ? "rename one of them"
        : `give ${f.of} a shorter name: each of its programs has ${f.name.length - f.of.length === 1 ? "a letter" : `${f.name.length - f.of.length} letters`} more`,
  ),
  "declared-elsewhere": row<{ name: string }>(
    "error",
    (f) => `declare says that ${f.name} is made elsewhere, but nothing else becomes part of the object`,
    (f) => `give it a value, const ${f.name} = …, or let the loader set it: export const ${f.name} = param(u32, 0)`,
  ),
  "constant-cycle": row<{ name: string }>(
    "error",
    (f) => `the value of ${f.name} depends on itself`,
    () => "give one of the names in the circle a value of its own",
  ),
  "pin-twice": row<{ name: string }>(
    "error",
    (f) => `two maps are pinned as ${f.name}`,
    () => "rename one of them",
  ),
  "kind-twice": row<{ what: string; name: string; other: string }>(
    "error",
    (f) => `${f.name} and ${f.other} both handle ${f.what}`,
    () => "give one of them another kind, or put both into one tcpOption",
  ),
  "exclusive-shared": row<{ name: string; other: string }>(
    "error",
    (f) => `${f.name} is exclusive, and ${f.other} writes on the same sockets`,
    () => "remove exclusive: then each option keeps its own state for each socket",
  ),
  "too-many-writers": row<{ name: string; limit: number }>(
    "error",
    (f) => `${f.name} is one option too many: one object has room for ${f.limit} that write`,
    () => "put it into a file of its own: objects share the connection",
  ),
  "named-addresses": row<{ name: string }>(
    "error",
    (f) => `nobody fills ${f.name}: the addresses of this host have no map of their own any more`,
    () =>
      "loop over them: for (const local of session.localAddresses()) { … }; where the map is for something else, give it another name",
  ),
  "path-manager-twice": row<{ name: string; other: string }>(
    "error",
    (f) => `${f.name} and ${f.other} are both path managers: each event would run both`,
    () => "put the handlers into one pathManager, or build two objects",
  ),
} as const;
