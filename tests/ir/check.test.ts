/** The checker finds each kind of broken IR, and says where. */
import { expect, test } from "vitest";
import { checkModule } from "../../compiler/ir/check.ts";
import { readModule } from "../../compiler/ir/read.ts";

const check = (body: string, options = {}): string[] =>
  checkModule(
    readModule(`target mainline\nprogram sockops sock_ops 3 func p(%0: ptr ctx(sock_ops)) -> w32 {\n${body}\n}\n`),
    options,
  );

test("a sound function passes", () => {
  expect(check("b0:\n  %1: w32 = load4 %0 + 0\n  return %1")).toEqual([]);
});

for (const [name, body, message] of [
  ["a value defined twice", "b0:\n  %1: w32 = const 1\n  %1: w32 = const 2\n  return %1", "%1 is defined twice"],
  [
    "a use before its definition",
    "b0:\n  %1: w32 = add %2, %2\n  %2: w32 = const 2\n  return %1",
    "%2 does not reach its use in %1: w32 = add %2, %2",
  ],
  [
    "a use that only one path defines",
    "b0:\n  %1: w32 = load4 %0 + 0\n  branch eq %1, %1, b1, b2\nb1:\n  %2: w32 = const 2\n  jump b2\nb2:\n  return %2",
    "%2 does not reach its use in return %2",
  ],
  [
    "mixed widths",
    "b0:\n  %1: w32 = const 1\n  %2: w64 = const 1\n  %3: w32 = add %1, %2\n  return %3",
    "operands and result must have one integer type",
  ],
  [
    "a constant that does not fit",
    "b0:\n  %1: w32 = const 4294967296\n  return %1",
    "the constant does not fit its type",
  ],
  ["a load of the wrong width", "b0:\n  %1: w32 = load8 %0 + 0\n  return %1", "wrong type for this size"],
  ["a missing argument", "b0:\n  jump b1\nb1(%1: w32):\n  return %1", "passes 0 of 1 arguments to b1"],
  [
    "an argument of the wrong type",
    "b0:\n  jump b1(%0)\nb1(%1: w32):\n  return %1",
    "passes ptr ctx(sock_ops) for %1 of b1",
  ],
  ["a jump to nowhere", "b0:\n  jump b7", "jumps to b7, which does not exist"],
  ["a jump to the entry", "b0:\n  jump b0", "the entry has predecessors"],
  [
    "an unknown helper",
    "b0:\n  %1: w64 = call helper make_coffee(%0)\n  %2: w32 = trunc %1\n  return %2",
    "unknown helper",
  ],
  ["an unknown map", "b0:\n  %1: ptr map = map m\n  unreachable", "unknown map"],
  ["an unknown function", "b0:\n  call function f(%0)\n  unreachable", "unknown function"],
  ["the wrong return type", "b0:\n  return %0", "returns ptr ctx(sock_ops), not w32"],
  [
    "a helper's argument too few",
    "b0:\n  %1: w64 = call helper setsockopt(%0)\n  unreachable",
    "takes 5 arguments, not 1",
  ],
  [
    "a number for the context",
    "b0:\n  %1: w64 = const 0\n  %2: w64 = call helper sock_ops_cb_flags_set(%1, %1)\n  unreachable",
    "argument 1 must be the context, not w64",
  ],
  [
    "a stack variable for the context",
    'b0:\n  %1: ptr slot = slot 8 align 8 "s"\n  %2: w64 = call helper sock_ops_cb_flags_set(%1, %1)\n  unreachable',
    "argument 1 must be the context, not ptr slot",
  ],
  [
    "a helper's number taken for a pointer",
    "b0:\n  %1: ptr map-value = call helper ktime_get_ns()\n  unreachable",
    "the helper returns a number",
  ],
  [
    "a socket taken for a map value",
    "b0:\n  %1: ptr socket = load8 %0 + 184\n  %2: ptr socket = call helper tcp_sock(%1)\n  %3: ptr map-value = call helper tcp_sock(%1)\n  unreachable",
    "the helper returns ptr socket, in %3",
  ],
  [
    "a pointer that the context does not have",
    "b0:\n  %1: ptr socket = load8 %0 + 168\n  unreachable",
    "no pointer there",
  ],
  [
    "a packet taken for a socket",
    "b0:\n  %1: ptr socket = load8 %0 + 192\n  unreachable",
    "the context has ptr packet there",
  ],
  [
    "a step over the context",
    "b0:\n  %1: w64 = const 4\n  %2: ptr ctx(sock_ops) = ptradd %0, %1\n  unreachable",
    "nothing is added to ptr ctx(sock_ops)",
  ],
  [
    "another program's context",
    "b0:\n  jump b1(%0)\nb1(%1: ptr ctx(sched_cls)):\n  unreachable",
    "passes ptr ctx(sock_ops) for %1",
  ],
  [
    "a pointer that is no longer only any",
    "b0:\n  jump b1(%0)\nb1(%1: ptr any):\n  jump b2(%1)\nb2(%2: ptr slot):\n  unreachable",
    "passes ptr any for %2",
  ],
  ["a constant address", "b0:\n  %1: ptr slot = const 8\n  unreachable", "the only constant pointer is 0"],
  [
    "a pointer stored in a map's value",
    "b0:\n  %1: ptr map-value = const 0\n  store8 %1 + 0, %0\n  unreachable",
    "pointers are stored in stack variables only",
  ],
  ["a widening the wrong way", "b0:\n  %1: w32 = zext %0\n  return %1", "wrong operand or result type"],
] as const) {
  test(name, () => expect(check(body).join("\n")).toContain(message));
}

test("back edges are an error only when asked", () => {
  const loop = "b0:\n  jump b1\nb1:\n  jump b1";
  expect(check(loop)).toEqual([]);
  expect(check(loop, { acyclic: true })).toEqual(["p b1: jumps back to b1"]);
});
