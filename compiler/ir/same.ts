/** Whether a pass has changed anything. */
import type { Block, Func } from "./ir.ts";

/**
 * Whether two functions are one: the same blocks in the same order, with the same values, instructions and ends (as objects, which
 * passes keep where they change nothing). False may also be said of two that are equal.
 */
export const sameFunc = (a: Func, b: Func): boolean =>
  a === b ||
  (a.name === b.name &&
    a.returns === b.returns &&
    a.span === b.span &&
    sameList(a.params, b.params) &&
    a.blocks.length === b.blocks.length &&
    a.blocks.every((block, at) => sameBlock(block, b.blocks[at]!)));

const sameBlock = (a: Block, b: Block): boolean =>
  a === b ||
  (a.id === b.id && a.loop === b.loop && sameList(a.params, b.params) && a.end === b.end && sameList(a.insts, b.insts));

const sameList = <T>(a: readonly T[], b: readonly T[]): boolean =>
  a === b || (a.length === b.length && a.every((item, at) => item === b[at]));
