/** Which jumps over a decision are left to run through it. */
import { expect, test } from "vitest";
import { fallThrough } from "../../compiler/backend/fall-through.ts";
import type { Finish, Insn, MachineBlock, Reg } from "../../compiler/backend/insn.ts";
import type { Condition } from "../../compiler/bpf/opcodes.ts";

const span = { file: 0, start: 0, end: 0 };
const X: Reg = 1;
const set = (imm: number, wide: boolean): Insn<Reg> => ({ kind: "mov", wide, dst: X, src: { imm }, span });
const jump = (to: number): Finish<Reg> => ({ kind: "jump", to, span });
const decide = (op: Condition, imm: number, wide: boolean, then: number, other: number): Finish<Reg> => ({
  kind: "branch",
  op,
  wide,
  left: X,
  right: { imm },
  then,
  else: other,
  span,
});
const exit = (id: number): MachineBlock<Reg> => ({ id, insns: [], end: { kind: "exit", span } });

/**
 * 0 decides between 1, which sets x and jumps to `to`, and 2, which only decides: 3 or 4. Gives where 1 jumps afterwards.
 */
function ends(
  put: Insn<Reg>,
  decision: Finish<Reg>,
  to: number,
  more: readonly MachineBlock<Reg>[] = [],
  first: Finish<Reg> = decide("jlt", 5, false, 1, 2),
): Finish<Reg> {
  const blocks: MachineBlock<Reg>[] = [
    { id: 0, insns: [], end: first },
    { id: 1, insns: [put], end: jump(to) },
    { id: 2, insns: [], end: decision },
    exit(3),
    exit(4),
    ...more,
  ];
  return fallThrough(blocks).find((block) => block.id === 1)!.end;
}

test("min(max(x, 5), 100): the way that sets the lower bound runs into the test of the upper one", () => {
  expect(ends(set(5, false), decide("jgt", 100, false, 3, 4), 4)).toEqual(jump(2));
  // Where the lower bound is above the upper one, the decision leads to the other side.
  expect(ends(set(101, false), decide("jgt", 100, false, 3, 4), 3)).toEqual(jump(2));
});

test("a decision that the constant makes the other way keeps the jump over it", () => {
  expect(ends(set(101, false), decide("jgt", 100, false, 3, 4), 4)).toEqual(jump(4));
});

test("a decision with a third way in keeps the jump over it", () => {
  const third: MachineBlock<Reg> = { id: 5, insns: [], end: jump(2) };
  expect(ends(set(5, false), decide("jgt", 100, false, 3, 4), 4, [third])).toEqual(jump(4));
});

test("a condition that no constant decides keeps the jump over it", () => {
  const upper = decide("jgt", 100, false, 3, 4);
  expect(ends({ kind: "mov", wide: false, dst: X, src: { reg: 2 }, span }, upper, 4)).toEqual(jump(4));
  expect(ends({ kind: "mov", wide: false, dst: 2, src: { imm: 5 }, span }, upper, 4), "another register").toEqual(
    jump(4),
  );
  expect(ends(set(5, false), decide("jset", 4, false, 3, 4), 4), "a test of bits").toEqual(jump(4));
});

test("a block that does more than decide keeps the jump over it", () => {
  const blocks: MachineBlock<Reg>[] = [
    { id: 0, insns: [], end: decide("jlt", 5, false, 1, 2) },
    { id: 1, insns: [set(5, false)], end: jump(4) },
    { id: 2, insns: [set(7, false)], end: decide("jgt", 100, false, 3, 4) },
    exit(3),
    exit(4),
  ];
  expect(fallThrough(blocks)).toEqual(blocks);
});

test("a 64-bit move extends its sign, a 32-bit one clears the upper half", () => {
  // -1 in 64 bits is signed below 0; 0xffff_ffff is not.
  expect(ends(set(-1, true), decide("jslt", 0, true, 3, 4), 3)).toEqual(jump(2));
  expect(ends(set(-1, false), decide("jslt", 0, true, 3, 4), 4)).toEqual(jump(2));
  expect(ends(set(-1, false), decide("jslt", 0, true, 3, 4), 3)).toEqual(jump(3));
});

test("an immediate of a 64-bit comparison is extended by its sign, of a 32-bit one it is 32 bits", () => {
  // 0xffff_ffff is unsigned below 0xffff_ffff_ffff_ffff.
  expect(ends(set(-1, false), decide("jlt", -1, true, 3, 4), 3)).toEqual(jump(2));
  expect(ends(set(-1, false), decide("jeq", -1, false, 3, 4), 3)).toEqual(jump(2));
  // Only the low halves count in 32 bits, and their sign is bit 31.
  expect(ends(set(-1, true), decide("jslt", 0, false, 3, 4), 3)).toEqual(jump(2));
  expect(ends(set(-1, false), decide("jslt", 0, false, 3, 4), 3)).toEqual(jump(2));
});
