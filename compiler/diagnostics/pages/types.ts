/** Pages about types and values. */
import type { types } from "../types.ts";
import type { Page } from "./page.ts";

export const typePages = {
  "literal-range": {
    summary: "a number does not fit the type that it is given to",
    why: "Each integer type holds what its bits hold: a u8 0 to 255, an i32 -2147483648 to 2147483647. A constant that does not fit is a mistake in one of the two.",
    right: [["const small: u8 = 256", "const small: u8 = 255"]],
  },
  fraction: {
    summary: "a number is not whole",
    why: "BPF has no floating point, and the kernel has none either. Count in smaller units: milliseconds instead of seconds, per mille instead of a fraction.",
    right: [["1.5", "15"]],
  },
  "mixed-width": {
    summary: "64-bit and 32-bit integers meet in one expression",
    why: "u64 and i64 are bigints in TypeScript, the others are numbers, and JavaScript refuses to mix them: 1n + 1 throws. A literal gets an n; a value is widened with u64(x), or narrowed with u32(x).",
    right: [
      ["ctx.bytesAcked + 1;", "ctx.bytesAcked + 1n;"],
      ["ctx.bytesAcked > ctx.mss", "ctx.bytesAcked > u64(ctx.mss)"],
      ["import { license }", "import { license, u64 }"],
    ],
  },
  "signed-unsigned": {
    summary: "a number that may be negative meets one that cannot be",
    why: "Both are 32 bits, and one comparison or division serves either signed or unsigned ones: -1 would count as 4294967295. Converting one side says which is meant.",
    right: [
      ['ctx.setSockOpt("TCP_BPF_IW", 10) < ctx.mss', 'ctx.setSockOpt("TCP_BPF_IW", 10) < i32(ctx.mss)'],
      ["import { license }", "import { i32, license }"],
    ],
  },
  "type-mismatch": {
    summary: "a value is of another type than its place",
    why: "What has the same bits may mean something else: a be16 is in network byte order, so 443 is not one. The types keep the two apart, and the conversion that the message names brings one to the other.",
    right: [
      ["= 443;", "= htons(443);"],
      ["import { license, type be16 }", "import { htons, license, type be16 }"],
    ],
  },
  "not-comparable": {
    summary: "two values are compared that cannot be equal",
    why: "They are of different types, so the comparison would always be false, or compare bytes that mean different things: a port in network order is not the number.",
    right: [
      ["ctx.remotePort === 443", "ctx.remotePort === htons(443)"],
      ["ctx.remoteIp4 === ctx.remotePort", "ctx.remoteIp4 === ctx.localIp4"],
      ["import { license }", "import { htons, license }"],
    ],
  },
  "arms-differ": {
    summary: "an expression has two possible types",
    why: "A value has one width, one sign and one byte order. Where either of two may come out, they must agree before.",
    right: [["ctx.remotePort : 80", "ctx.remotePort : htons(80)"]],
  },
  "no-operator": {
    summary: "an operator is used on what it has no meaning for",
    why: "JavaScript converts anything to a number when it must. Here only integers have arithmetic; booleans, texts, addresses and structs are compared.",
    right: [
      ["true + 1", "1 + 1"],
      ["-limits", "-sum"],
      ["1 + u32", "1 + sum"],
      ["const limits", "export const limits"],
    ],
  },
  "network-order-arithmetic": {
    summary: "something in network byte order is added to or put in order",
    why: "On x86 and most ARM the bytes of a be16 or be32 lie the other way round than a number's: adding 1 would change the wrong byte. ntohs and ntohl give the number, htons and htonl bring it back; comparing for equality is fine.",
    right: [
      ["ctx.remoteIp4 + 1", "ntohl(ctx.remoteIp4) + 1"],
      ["ctx.localIp4 < ctx.remoteIp4", "ntohl(ctx.localIp4) < ntohl(ctx.remoteIp4)"],
      ["import { license }", "import { license, ntohl }"],
    ],
  },
  "converted-twice": {
    summary: "htons() or htonl() of what is in network order already",
    why: "A second conversion would turn the bytes back. The type says which order a value is in, so one of the two calls is too many.",
    right: [["htons(htons(80))", "htons(80)"]],
  },
  "host-order-already": {
    summary: "ntohs() or ntohl() of what is in host order already",
    why: "Not every port of the kernel's is in network order: localPort is a number, remotePort is a be16. The types say which.",
    right: [
      ["ntohs(ctx.localPort) === 80", "ctx.localPort === 80"],
      ["import { license, ntohs }", "import { license }"],
    ],
  },
  "division-by-zero": {
    summary: "a constant zero divides",
    why: "BPF gives 0 for x / 0 and x for x % 0, JavaScript Infinity and NaN. Since neither can be meant, it is an error where it is in sight.",
    right: [
      ["ctx.mss / 0", "ctx.mss / 2"],
      ["ctx.mss % 0", "ctx.mss % 2"],
    ],
  },
  "shift-count": {
    summary: "a shift by as many bits as there are, or more",
    why: "JavaScript takes the count modulo 32, and so does BPF: x << 32 is x, where a reader expects 0.",
    right: [["ctx.mss << 32", "ctx.mss << 3"]],
  },
  "not-constant": {
    summary: "something must be known when the program is compiled",
    why: "Sizes, bounds and the initial values of what lies at the top level are part of the object. Nothing runs before the first event that could work them out.",
    right: [
      [
        "const start = ktimeNs();\nexport const program = sockOps((ctx) => {\n",
        "export const program = sockOps((ctx) => {\n  const start = ktimeNs();\n",
      ],
    ],
  },
  "count-range": {
    summary: "a count is outside of what the kernel takes",
    why: "The kernel refuses, for example, a map without entries; the message says what it takes.",
    right: [["maxEntries: 0", "maxEntries: 8"]],
  },
  "literal-needed": {
    summary: "something must be written out where it is used",
    why: "Which instructions come of the call depends on it, and a name could stand for another value.",
    right: [['  const name = "TCP_BPF_IW";\n  ctx.setSockOpt(name, 20);', '  ctx.setSockOpt("TCP_BPF_IW", 20);']],
  },
  "bad-address": {
    summary: "a text is not an IP address, or not a prefix",
    why: "Addresses are worked out when the program is compiled. IPv4 has four numbers up to 255 and prefixes up to /32, IPv6 has eight groups and prefixes up to /128.",
    right: [
      ["192.0.2.256", "192.0.2.25"],
      ["10.0.0.0/33", "10.0.0.0/8"],
    ],
  },
  "prefix-host-bits": {
    summary: "a prefix has bits that it does not look at",
    why: "10.1.2.3/8 compares the first 8 bits alone; the others stand there by mistake, or the length is wrong.",
    right: [["10.1.2.3/8", "10.0.0.0/8"]],
  },
  "string-too-long": {
    summary: "a text is longer than the place for it",
    why: "cstring(n) is n bytes, the last one a zero as the kernel's texts end. Bytes count, not letters: é has two.",
    right: [
      ["cstring(4)", "cstring(8)"],
      ['cstr("cubic", 4)', 'cstr("cubic", 8)'],
    ],
  },
  "argument-count": {
    summary: "a function is called with too many or too few values",
    why: "JavaScript would give undefined for those that are missing, and drop the others.",
    right: [["add(1)", "add(1, 2)"]],
  },
  "unknown-field": {
    summary: "a struct has no field of that name",
    why: "The fields are those in struct({ … }), and no others can come. The message lists them, the nearest first.",
    right: [
      ["c: 2", "b: 2"],
      ["one.d;", "one.b;"],
      ["one.totl", "one.total"],
    ],
  },
  "missing-field": {
    summary: "a value is given without a part that it must have",
    why: "Some values mean nothing without all of their parts: an end of a subflow that has a port needs an address as well.",
    right: [["{ port: session.remotePort }", "{ addr: session.remoteIp4, port: session.remotePort }"]],
  },
  "no-member": {
    summary: "a value has no property or method of that name",
    why: "Values have what their types in the editor show. An integer has nothing: it is computed with, or printed with log.",
    right: [
      ['ctx.mss.toString() === "1460"', "ctx.mss === 1460"],
      ["ctx.msss", "ctx.mss"],
    ],
  },
  "method-as-value": {
    summary: "a method is named and not called",
    why: "Methods are always there, so a test for one always holds; and functions are not values.",
    right: [
      ["if (session.openSubflow) session.openSubflow();", "session.openSubflow();"],
      ["if (counts.get) ", "if (counts.get(0) > 0) "],
      ["if (session.setSockOpt) ", "if ((session.flags & 1) !== 0) "],
    ],
  },
  "log-call": {
    summary: "log is called with parentheses",
    why: "log stands before a text in backquotes, so that the text and the values in it are apart: the text becomes the format that the kernel prints with.",
    right: [
      ["log(`port ${ctx.localPort}`);", "log`port ${ctx.localPort}`;"],
      ['log("here");', "log`here`;"],
      ["  log();\n", ""],
    ],
  },
  "unsigned-compare": {
    summary: "a comparison of an unsigned number has one possible answer",
    why: "An unsigned number is never below 0: a difference that would be negative is a large number instead. Compare the two sides before subtracting, or count with i32.",
    right: [
      [
        "const room = ctx.sndCwnd - ctx.packetsOut;\n  if (room < 0)",
        "const room = ctx.sndCwnd - ctx.packetsOut;\n  if (ctx.sndCwnd < ctx.packetsOut)",
      ],
      ["if (0 <= ctx.localPort)", "if (0 < ctx.localPort)"],
      ["for (let i = 3; i >= 0; i--) if (i === 1) break;", "for (let i: i32 = 3; i >= 0; i--) if (i === 1) break;"],
      ["ctx.bytesAcked - 5n < 0n", "ctx.bytesAcked < 5n"],
      ["import { HashMap, license, u32 }", "import { HashMap, license, u32, type i32 }"],
    ],
  },
  "unsigned-countdown": {
    summary: "a loop counts an unsigned number down past zero",
    why: "After 0 comes 4294967295, which is not below 0, so the loop goes on for ever. A number with a sign ends it.",
    right: [
      ["let i = 3", "let i: i32 = 3"],
      ["let i: u32 = 3", "let i: i32 = 3"],
      ["out.set(i, ctx.mss)", "out.set(u32(i), ctx.mss)"],
      ["import { ArrayMap, license, u32 }", "import { ArrayMap, license, u32, type i32 }"],
    ],
  },
  "zero-or-missing": {
    summary: "a test does not tell 0 from what is missing",
    why: "get() of a map of numbers gives undefined where there is no entry, and both undefined and 0 count as false. Saying which is meant keeps a counter at 0 from looking like none.",
    right: [
      ["if (!count)", "if (count === undefined)"],
      ["if (counts.get(2))", "if ((counts.get(2) ?? 0) !== 0)"],
      ["count ? 1 : 2", "count !== undefined ? 1 : 2"],
      ["count || 5", "count ?? 5"],
    ],
  },
  "definite-assignment": {
    summary: "! claims that a variable has a value before it is used",
    why: "TypeScript believes it. In JavaScript the variable would be undefined on the path that gives it none, and here it has no such value.",
    right: [
      ["let seen!: u32;", "let seen: u32 = 0;"],
      ["let x!: u32;", "let x: u32 = 0;"],
    ],
  },
  "not-a-function": {
    summary: "something is called that is no function",
    why: "Fields of a context are values, read without parentheses.",
    right: [["ctx.mss()", "ctx.mss"]],
  },
  "not-a-struct": {
    summary: "something without parts is used as if it had some",
    why: "Only structs have fields, and only lists have elements.",
    right: [
      ["mss[0]", "i32(mss)"],
      ["import { license }", "import { i32, license }"],
    ],
  },
  "not-a-value": {
    summary: "a map, a type or a function stands where a value is needed",
    why: "Maps are parts of the object and cannot be put into a variable; types and functions are not there at run time.",
    right: [["  let copy = limits;\n  copy = limits;\n", "  limits.set(1, ctx.mss);\n"]],
  },
  "not-an-array": {
    summary: "something is indexed that has no elements",
    why: "A struct has fields, which are named. array(T, n) is a field of n elements.",
    right: [["one[0]", "one.a"]],
  },
  "array-length": {
    summary: "a list has another number of elements than its place",
    why: "array(T, n) has n elements, all of which are copied. Elements that are not given would not be there.",
    right: [["[1, 2, 3]", "[1, 2, 3, 4]"]],
  },
  "empty-array": {
    summary: "nothing says what the elements of a list are",
    why: "A list does not grow, so an empty one stays empty; and of what type its elements would be is not said.",
    right: [["= [];", "= [0, 0];"]],
  },
  "index-range": {
    summary: "a constant index lies outside of its list",
    why: "A list has the elements that it began with: the first is 0, the last one less than its length. JavaScript would give undefined, or make the list longer.",
    right: [
      ["list[3] ?? 0", "list[2] ?? 0"],
      ["list[5] = 1", "list[1] = 1"],
    ],
  },
  "untyped-object": {
    summary: "a record is made whose type is not a struct",
    why: "What lies in memory needs the widths of its fields, and { a: 1 } says none. A struct does.",
    right: [
      ["const pair = { a: 1, b: 2 };", "const pair = new Pair({ a: 1, b: 2 });"],
      ["export const program", "class Pair extends struct({ a: u8, b: u8 }) {}\nexport const program"],
      ["import { license }", "import { license, struct, u8 }"],
    ],
  },
  "untyped-global": {
    summary: "a record of constants is changed",
    why: "A record without a struct type is a table of constants, which takes no memory. What changes needs memory, and so the widths of its fields.",
    right: [
      ["ctx.reply = counters.events;", "ctx.reply = i32(counters.events);"],
      [
        "const counters = { events: 0 };",
        "class Counters extends struct({ events: u32 }) {}\nconst counters = new Counters();",
      ],
      ["import { license }", "import { i32, license, struct, u32 }"],
    ],
  },
  "constant-assigned": {
    summary: "a const is given another value",
    why: "TypeScript says so as well. let declares what changes.",
    right: [["const size = ctx.mss;\n  size = 1;", "let size = ctx.mss;\n  if (size > 2000) size = 1;"]],
  },
  "read-only": {
    summary: "something is written that belongs to the kernel or the loader",
    why: "The kernel lets a program change only some fields of a context; params are set by the loader, before the program runs.",
    right: [["  ctx.mss = 1;\n  limit = 4;\n", ""]],
  },
  "not-assignable": {
    summary: "the left side of an assignment is no place",
    why: "A variable, a field or an element is a place. The result of a call or of a computation is not.",
    right: [["ctx.setCallbacks(0) = 1;", "ctx.setCallbacks(0);"]],
  },
  "context-escapes": {
    summary: "a connection or session is kept beyond its event",
    why: "What a handler is given is valid while the event lasts; the kernel gives the memory to another one then. Numbers that find it again can be kept: an address, a port, a token.",
    right: [
      ["let kept: TcpConn | undefined;", "let kept: u32 = 0;"],
      ["kept = ctx;", "kept = ctx.localPort;"],
      ["if (kept)", "if (kept > 1023)"],
      ["import { sockOps, type TcpConn }", "import { sockOps }"],
      ["import { license }", "import { license, u32 }"],
    ],
  },
  "needs-initial": {
    summary: "a variable has neither a type nor a value",
    why: "Its width and its sign follow from one of the two.",
    right: [["  let size;\n  size = ctx.mss;", "  const size = ctx.mss;"]],
  },
  "type-unknown": {
    summary: "a type is none that the language has",
    why: "Types say how many bytes a value has and what they mean. There are the integers, boolean, structs, what handlers are given, and T | undefined.",
    right: [
      ["pair: [number, number]): number { return pair[0]; }", "pair: Pair): number { return pair.a; }"],
      ["first([1, 2])", "first(new Pair({ a: 1, b: 2 }))"],
      ["function first", "class Pair extends struct({ a: u8, b: u8 }) {}\nfunction first"],
      ["import { license }", "import { license, struct, u8 }"],
    ],
  },
  "union-type": {
    summary: "a value may be of either of two types",
    why: "Nothing at run time says which one it is. T | undefined is there, because a missing value can be told; so is a union of texts, which is a number.",
    right: [["value: number | boolean", "value: number | undefined"]],
  },
  "parameter-type": {
    summary: "a parameter has no type",
    why: "Its width and its sign follow from it. A handler's parameters have theirs from the event.",
    right: [["twice(value)", "twice(value: number)"]],
  },
  "return-types": {
    summary: "a function returns a value on one path and nothing on another",
    why: "The caller gets one type. What may be missing is said: u32 | undefined.",
    right: [
      [
        "function pick(value: u32) {\n  if (value === 0) return;",
        "function pick(value: u32): u32 {\n  if (value === 0) return 0;",
      ],
    ],
  },
  "return-wide-optional": {
    summary: "a function returns a 64-bit integer or undefined",
    why: "Registers have 64 bits: all values of a u64 are taken, and none is left for what is missing. A 32-bit integer has room for it.",
    right: [
      ["): u64 | undefined {\n  return bytes.get(key);", "): u64 {\n  return bytes.get(key) ?? 0n;"],
      ["if (of(1))", "if (of(1) > 0n)"],
    ],
  },
  "atomic-field": {
    summary: "an atomic operation on a field that has no atomic form",
    why: "BPF has atomic operations on 4 and 8 aligned bytes alone. Counters that several processors write should be a u32 or u64.",
    right: [
      ["n: u8", "n: u32"],
      ["import { ArrayMap, atomicAdd, license, struct, u8 }", "import { ArrayMap, atomicAdd, license, struct, u32 }"],
    ],
  },
  "log-values": {
    summary: "log prints more than three values",
    why: "The kernel's bpf_trace_printk takes three. Two lines print six.",
    right: [
      [
        "log`${ctx.mss} ${ctx.mss} ${ctx.mss} ${ctx.mss}`;",
        "log`${ctx.mss} ${ctx.mss}`;\n  log`${ctx.mss} ${ctx.mss}`;",
      ],
    ],
  },
  "log-value": {
    summary: "log is given what it cannot print",
    why: "The kernel prints integers; tsbpf adds booleans, addresses and ports. Of a struct, print the fields.",
    right: [["log`${one}`", "log`${one.a} ${one.b}`"]],
  },
  "option-bytes": {
    summary: "the length of an option is asked for that is always the same",
    why: "Without a length handler every option of the kind is as long as its payload's struct, and the kernel hands over no other. sizeOf() is that number, known when the program is compiled. A function is given a segment without it, because it may be called of any option.",
    right: [
      ["${segment.optionBytes}", "${sizeOf(Mark)}"],
      ["(conn, option, segment)", "(conn, option)"],
      ["import { license, log, struct, u16 }", "import { license, log, sizeOf, struct, u16 }"],
    ],
  },
  "socket-option-sends": {
    summary: "a socket option that sends is set while a segment is being sent",
    why: "Switching Nagle's algorithm off pushes out what is waiting. In a handler that runs while the kernel builds a segment, it would begin another one inside of the first. Where only the run tells, in functions and in sockOps, it is not set then, and the answer is -95.",
    right: [['conn.setSockOpt("TCP_NODELAY", true) === 0 ? 1 : 0;', "1;"]],
  },
  "socket-option": {
    summary: "a socket option is none that a program can set or read there",
    why: "The kernel has a list of the options that BPF programs may set, another of those that they may read, and they are shorter than setsockopt's. Names are those of <linux/tcp.h>.",
    right: [
      ['"TCP_NODELAI", 1', '"TCP_BPF_IW", 10'],
      ['  ctx.setSockOpt("TCP_SAVED_SYN", 1);\n', ""],
      ['ctx.getSockOpt("TCP_BPF_IW") ?? 0', 'ctx.setSockOpt("TCP_USER_TIMEOUT", 30_000)'],
    ],
  },
  "socket-option-value": {
    summary: "no kernel takes that value for the option",
    why: "The call would fail each time, with EINVAL.",
    right: [
      ["200_001", "200_000"],
      ["1_000)", "10_000)"],
      ["0x8000_0000", "0x7fff_ffff"],
      ['"TCP_BPF_IW", 0', '"TCP_BPF_IW", 10'],
    ],
  },
} satisfies Record<keyof typeof types, Page>;
