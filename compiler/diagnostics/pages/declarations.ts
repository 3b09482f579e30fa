/** Pages about structs, maps, params, programs, and the object as a whole. */
import type { declarations } from "../declarations.ts";
import type { Page } from "./page.ts";

export const declarationPages = {
  "not-a-field-type": {
    summary: "a field's type has no known bytes",
    why: "A struct is how bytes lie in memory. Its fields are integers, lists and texts of known length, and other structs; a boolean is a u8.",
    right: [
      ["flag: Boolean", "flag: u8"],
      ["import { license, struct }", "import { license, struct, u8 }"],
    ],
  },
  "duplicate-field": {
    summary: "two fields have the same name",
    why: "JavaScript keeps the last one, and the struct would be smaller than it looks.",
    right: [["  a: u8,\n  a: u8,", "  a: u8,\n  b: u8,"]],
  },
  "reserved-name": {
    summary: "a field has a name that JavaScript uses itself",
    why: "In a unit test, structs are JavaScript objects: constructor, __proto__ and the like mean something else there.",
    right: [["constructor: u8", "builder: u8"]],
  },
  "empty-struct": {
    summary: "a struct has no fields",
    why: "The kernel has no values of 0 bytes, in maps or elsewhere.",
    right: [
      ["struct({})", "struct({ value: u32 })"],
      ["import { license, struct }", "import { license, struct, u32 }"],
    ],
  },
  "global-type": {
    summary: "a variable at the top level holds what has no bytes of its own",
    why: "Variables at the top level lie in a section of the object. A map, a connection or a function cannot be put there.",
    right: [
      ["let current = limits;\n", ""],
      ["  current = limits;\n  ctx.reply = 1;", "  limits.set(1, ctx.mss);"],
    ],
  },
  "map-not-constant": {
    summary: "a map is made while the program runs",
    why: "The loader makes the maps, before the programs are loaded, and they stay. A map in a handler would seem to be empty at each event.",
    right: [
      [
        "export const program = sockOps((ctx) => {\n  const seen = new HashMap({ key: u32, value: u32, maxEntries: 8 });\n  seen.set(1, 1);",
        "const seen = new HashMap({ key: u32, value: u32, maxEntries: 8 });\nexport const program = sockOps(() => {\n  seen.set(1, 1);",
      ],
    ],
  },
  "map-property": {
    summary: "a map does not say its key, its value or its size",
    why: "The kernel makes a map of a fixed size, for keys and values of fixed size.",
    right: [
      ["a = new HashMap({ key: u32, value: u32 })", "a = new HashMap({ key: u32, value: u32, maxEntries: 8 })"],
      ["b = new HashMap({ value: u32, maxEntries: 8 })", "b = new HashMap({ key: u32, value: u32, maxEntries: 8 })"],
    ],
  },
  "map-key-size": {
    summary: "a map's key is larger than the stack",
    why: "A program puts the key on its stack of 512 bytes before it asks the kernel for the entry.",
    right: [["array(u8, 600)", "array(u8, 60)"]],
  },
  "map-value-size": {
    summary: "a map's value is larger than the kernel allows",
    why: "A value for each processor has at most 32 KiB, one that belongs to a socket just under 64 KiB.",
    right: [["array(u64, 5000)", "array(u64, 500)"]],
  },
  "map-index": {
    summary: "a constant index lies outside of its map",
    why: "An array map has the slots 0 to maxEntries - 1, all of them there from the beginning.",
    right: [
      ["ctx.reply = slots.get(8) ?? 0;", "ctx.reply = i32(slots.get(7));"],
      ["import { ArrayMap, license", "import { ArrayMap, i32, license"],
      ["slots.set(9, 1)", "slots.set(6, 1)"],
    ],
  },
  "map-method": {
    summary: "a map of this kind has no such method",
    why: "Each kind has what the kernel does for it: entries of an array cannot be deleted, a trie is changed by scripts alone. The message lists what there is, the nearest name first.",
    right: [
      ["  trusted.delete(ctx.remoteIp4);\n", "  if (trusted.get(ctx.remoteIp4)) ctx.reply = 1;\n"],
      ["seen.remove(1)", "seen.delete(1)"],
      ["seen.delet(1)", "seen.delete(1)"],
      [
        "const trusted = new Ipv4Trie({ value: u8,",
        "class Trust extends struct({ level: u8 }) {}\nconst trusted = new Ipv4Trie({ value: Trust,",
      ],
      ["license, u8 }", "license, struct, u8 }"],
    ],
  },
  "update-mode": {
    summary: "set() is given a mode that the kernel does not have",
    why: '"any" writes in either case, "insert" only where there is no entry, "update" only where there is one.',
    right: [['"create"', '"insert"']],
  },
  "ref-of-struct": {
    summary: "ref() of a map whose values are structs",
    why: "ref() is for integers, which get() copies. A struct is referred to by get() already: what is written to its fields is in the map.",
    right: [["entries.ref(1)", "entries.get(1)"]],
  },
  "ring-size": {
    summary: "a ring buffer has a size that the kernel refuses",
    why: "Its size is a power of two and a multiple of the page size (4096 bytes on most machines): the kernel maps it twice in a row, so that events never have to be split.",
    right: [["bytes: 10000", "bytes: 16384"]],
  },
  "too-many-initial": {
    summary: "a map has more initial values than entries",
    why: "The loader writes each one into its slot, and there is none for the rest.",
    right: [["maxEntries: 2", "maxEntries: 3"]],
  },
  "payload-width": {
    summary: "how many bytes a part of an option has is not said",
    why: "{ segments: 20 } is a number of no width, and an option is bytes on the wire. A struct, or a conversion, says how many and in which order.",
    right: [
      ["{ segments: 20 }", "{ segments: htons(20) }"],
      ["import { license }", "import { htons, license }"],
    ],
  },
  "handler-form": {
    summary: "a handler is not a function that stands there",
    why: "Each handler becomes code of the object, so it must be known which function it is: one that is written in its place, or a function at the top level by its name.",
    right: [
      ["const table = { run: 1 };\n", ""],
      ["newSession: table.run,", "newSession() {},"],
    ],
  },
  "no-handlers": {
    summary: "a program answers no event",
    why: "It compiles to nothing that would ever run.",
    right: [["pathManager({})", "pathManager({ newSession() {} })"]],
  },
  "option-property": {
    summary: "a tcpOption lacks its kind or its payload",
    why: "An option on the wire is a kind, a length and a payload. The length follows from the payload's struct.",
    right: [["  kind: 66,\n", "  kind: 66,\n  payload: Payload,\n"]],
  },
  "option-kind": {
    summary: "an option's kind is none that a program may use",
    why: "Kinds 0 to 5 and 8, 19, 29, 30 and 34 are written or read by the kernel itself. 253 and 254 are shared by experiments, each with a number of its own (RFC 6994).",
    right: [["kind: 8", "kind: 66"]],
  },
  "experiment-missing": {
    summary: "kind 253 or 254 without the experiment's number",
    why: "Everybody's experiments have these two kinds, and tell each other apart by the two bytes that follow (RFC 6994).",
    right: [["  kind: 253,\n", "  kind: 253,\n  experiment: 0xda01,\n"]],
  },
  "experiment-id": {
    summary: "an experiment's number has more than 16 bits",
    why: "It stands in two bytes behind the option's length (RFC 6994).",
    right: [["0x12345", "0x1234"]],
  },
  "option-too-large": {
    summary: "an option does not fit a TCP header",
    why: "A header has 40 bytes for all options, those of the kernel included: timestamps alone take 12.",
    right: [["array(u8, 39)", "array(u8, 8)"]],
  },
  "never-writes": {
    summary: "an option has write, and nothing starts it",
    why: "The kernel asks for options only where a program has said so, because each question costs time on every segment. startWriting() says it, as a rule in established.",
    right: [["established() {}", "established(conn) {\n    conn.startWriting();\n  }"]],
  },
  "length-without-write": {
    summary: "an option has length, and no write",
    why: "length says how much of the payload the next segment has, and is asked where the option is written. Without write nobody asks it, and whatever is wrong in it would never show.",
    right: [["  length() {\n    return 1;\n  },\n", ""]],
  },
  "writes-alone": {
    summary: "an option has write and no event that could start it",
    why: "The kernel asks for options only where a program has said so, because each question costs time on every segment. An option without established can never say it.",
    right: [["  write(_conn", "  established(conn) {\n    conn.startWriting();\n  },\n  write(_conn"]],
  },
  "stack-variable": {
    summary: "a variable is larger than the whole stack",
    why: "A program has 512 bytes of stack. A map with one entry is memory that is as large as you want.",
    right: [
      ["  const large = new Large();\n", "  const large = place.get(0);\n"],
      ["export const program", "const place = new ArrayMap({ value: Large, maxEntries: 1 });\nexport const program"],
      ["import { array,", "import { array, ArrayMap,"],
    ],
  },
  "mixed-families": {
    summary: "a path leads from IPv4 to IPv6",
    why: "A subflow is a TCP connection, and both of its ends have addresses of one family.",
    right: [
      ['ipv6("2001:db8::1")', 'ipv4("192.0.2.1")'],
      ["import { ipv6,", "import { ipv4,"],
    ],
  },
  "needs-kernel": {
    summary: "the target's kernel does not have this at all",
    why: "The target mainline is Linux as it is; patched is Linux 6.12 with the patches of kernel/. What only the second has cannot be in an object for the first. tsbpf doctor says what this machine has.",
    right: [["// target: mainline", "// target: patched"]],
  },
  "kernel-fixed": {
    summary: "the oldest kernel is chosen for a target that is one release",
    why: "A target such as mainline is many releases of Linux, and --kernel says with which one they begin. Another is one release, so that there is nothing to choose: what is built is for that one.",
    right: [["// kernel: 6.18\n", ""]],
  },
  "needs-newer-kernel": {
    summary: "the oldest kernel that the object is for does not have this",
    why: "An object is built for the target's oldest kernel and every later one: 5.10 for mainline. --kernel says that older ones do not matter.",
    right: [
      [
        '  ctx.setSockOpt("TCP_NODELAY", true);\n  ctx.setSockOpt("TCP_RTO_MAX_MS", 1000);\n  if (ctx.getSockOpt("SO_KEEPALIVE")) ctx.reply = 1;\n',
        "",
      ],
      [
        'const timeout = ctx.getSockOpt("TCP_USER_TIMEOUT") ?? 0;',
        'const refused = ctx.setSockOpt("TCP_USER_TIMEOUT", 30_000);',
      ],
      ["timeout > 0 ? 1 : 0", "refused === 0 ? 1 : 0"],
    ],
  },
  license: {
    summary: "the license is none that the kernel knows",
    why: "The kernel compares the text with its list, letter by letter, and takes what is not in it for proprietary: many helpers would then be refused.",
    right: [['license("GPLv3")', 'license("GPL")']],
  },
  "license-twice": {
    summary: "an object has two licenses",
    why: "The kernel reads one text for all programs of the object.",
    right: [['license("Proprietary");\n', ""]],
  },
  "no-license": {
    summary: "nothing says the object's license",
    why: "The kernel takes an object without one for proprietary. It is the author's to say, so no compiler can put one there.",
    right: [
      [
        'import { sockOps } from "tsbpf/tcp";\n',
        'import { license } from "tsbpf";\nimport { sockOps } from "tsbpf/tcp";\nlicense("GPL");\n',
      ],
    ],
  },
  "needs-gpl": {
    summary: "something is used that the kernel gives to GPL programs alone",
    why: "Some helpers, bpf_trace_printk behind log among them, are only for programs whose license is compatible with the kernel's.",
    right: [
      ["  log`mss ${ctx.mss}`;", "  ctx.reply = 1;"],
      ["import { license, log }", "import { license }"],
    ],
  },
  "name-collision": {
    summary: "two names are the same in the kernel",
    why: "The kernel keeps 15 letters of a name. Two maps or programs that differ after that could not be told apart by bpftool, or by the loader.",
    right: [
      ["addressesOfPeersOld", "oldAddresses"],
      ["addressesOfPeersNew", "newAddresses"],
    ],
  },
  "declared-elsewhere": {
    summary: "declare says that something is made elsewhere",
    why: "An object holds everything that it uses; there is no elsewhere. What the loader should set is a param.",
    right: `import { license, param, u8 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const limit = param(u8, 3);
let counter: u8 = 0;
export const program = sockOps((ctx) => {
  if (limit > counter) ctx.reply = 1;
  counter = 1;
  return 1;
});
`,
  },
  "constant-cycle": {
    summary: "constants depend on each other in a circle",
    why: "Constants are worked out when the program is compiled, each from those that it names. In a circle none comes first.",
    right: [["const one = two;\nconst two = one;", "const one = 1;\nconst two = one;"]],
  },
  "pin-twice": {
    summary: "two maps would be pinned under one name",
    why: "A pinned map has a file of its name in the BPF file system, by which other objects find it. Two of them would be the same map.",
    right: [
      [
        "export const shared = new ArrayMap({ value: u32, maxEntries: 1, pinned: true });\nexport const program",
        "export const ours = new ArrayMap({ value: u32, maxEntries: 1, pinned: true });\nexport const program",
      ],
    ],
  },
  "kind-twice": {
    summary: "two options of one object have the same kind",
    why: "Each would be asked to write and to read the same option. One tcpOption can do both.",
    right: [["export const again = tcpOption({\n  kind: 66,", "export const again = tcpOption({\n  kind: 67,"]],
  },
  "exclusive-shared": {
    summary: "an option is exclusive, and another one of the object writes as well",
    why: "exclusive: true saves the state that tells options of one connection apart: it is a promise that there is no other.",
    right: [["  exclusive: true,\n", ""]],
  },
  "too-many-writers": {
    summary: "more than 24 options of one object write",
    why: "Which of them write is kept in a few bits for each connection. Objects share connections, so that another file has room for more.",
    right: [
      [
        "export const o24 = tcpOption({\n  kind: 124,\n  payload: P,\n  established(conn) {\n    conn.startWriting();\n  },\n  write() {},\n});\n",
        "",
      ],
    ],
  },
  "named-addresses": {
    summary: "a map that nobody fills is to hold the addresses of this host",
    why: "It was filled by its name until session.localAddresses() came, which needs no map in the program. A program with the map alone would find no address, and say nothing.",
    right: [
      [
        "class LocalAddr extends struct({ addr: be32, inUse: u8 }) {}\nexport const localAddrs = new ArrayMap({ value: LocalAddr, maxEntries: 8 });\n",
        "",
      ],
      ["of localAddrs)", "of session.localAddresses())"],
      ["local.inUse !== 0", "local.family === 2"],
      ["ArrayMap, be32, license, struct, u8", "license"],
    ],
  },
  "path-manager-twice": {
    summary: "an object has two path managers",
    why: "Each event would run both, in an order that nobody has said.",
    right: [["});\nexport const second = pathManager({\n", ""]],
  },
} satisfies Record<keyof typeof declarations, Page>;
