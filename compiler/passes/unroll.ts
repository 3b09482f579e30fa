/**
 * Unrolls every loop: the function is copied turn by turn, folding on the way, until no back edge is left.
 *
 * A turn's copy is made only where control can reach it, so a loop ends when its exit condition folds. Values are looked up
 * per copy ("which turn's `total` is this?"); where several copies meet, the block gets a parameter (Braun et al. 2013).
 */
import { report } from "../diagnostics.ts";
import { throughLoop } from "../ir/expansion.ts";
import { graphOf, loopsOf, type Graph, type Loop } from "../ir/graph.ts";
import { edges, type Block, type Edge, type End, type Func, type Inst, type Value } from "../ir/ir.ts";
import { freshValues, mapEnd, mapOperands, resultOf, withResult } from "../ir/walk.ts";
import type { Span } from "../span.ts";
import { constantPool, withPool } from "./constants.ts";
import type { Pass, PassContext } from "./pass.ts";
import { simplifyEnd } from "./end-rules.ts";
import type { Facts } from "./facts.ts";
import { simplifyInst } from "./rules.ts";

export const unroll: Pass = {
  name: "unroll",
  why: "The paper's kernel has no loops: every jump must go forward.",
  required: true,
  needs: ["calls-decided"],
  makes: ["no-loops"],
  run: unrollFunc,
};

/** Copied instructions per allowed slot: folding and dead code take away much of the copy, but not more than this. */
const GROWTH = 8;

interface Copy {
  readonly id: number;
  readonly params: Value[];
  readonly insts: Inst[];
  end?: End;
  /** Copies that jump here, and the position of the edge among their edges. */
  readonly from: { readonly copy: Copy; readonly edge: number }[];
  /** Copies of values as they are at the end of this block, by the original's id. */
  readonly known: Map<number, Value>;
}

/** A block waiting to be copied, with what jumps to it so far. */
type Pending = { copy: Copy; edge: number; args: readonly Value[] }[];

/** Leaves the recursion when a loop cannot be unrolled; caught in this file. */
class TooMuch extends Error {
  readonly loop: Loop;
  readonly turns: number;
  readonly reason: "unbounded" | "too-large";
  constructor(loop: Loop, turns: number, reason: "unbounded" | "too-large") {
    super(reason);
    this.loop = loop;
    this.turns = turns;
    this.reason = reason;
  }
}

function unrollFunc(func: Func, context: PassContext): Func {
  const graph = graphOf(func);
  const { loops, irreducible } = loopsOf(graph);
  if (irreducible !== undefined) {
    const block = graph.block.get(irreducible)!;
    context.report(report("unbounded-loop", block.loop ?? block.end.span, undefined));
    return func;
  }
  if (loops.length === 0) return func;
  try {
    return copyUnrolled(func, graph, loops, context);
  } catch (error) {
    if (!(error instanceof TooMuch)) throw error;
    const header = graph.block.get(error.loop.header)!;
    const span = header.loop ?? header.end.span;
    context.report(
      error.reason === "unbounded"
        ? report("unbounded-loop", span, undefined)
        : report("loop-too-large", span, { turns: error.turns, limit: context.maxInsns }),
    );
    return func;
  }
}

function copyUnrolled(func: Func, graph: Graph, loops: readonly Loop[], context: PassContext): Func {
  const value = freshValues(func);
  const pool = constantPool(func.span, value);
  const made = new Map<number, Inst>();
  const facts: Facts = { constant: pool.constant, constantOf: pool.constantOf, madeBy: (v) => made.get(v.id) };
  const limit = context.maxInsns * GROWTH;
  let size = 0;
  let blockCount = 0;
  const copies: Copy[] = [];

  // The innermost loop of each block, and for each level what lies directly in it: blocks and whole inner loops.
  const loopOf = new Map<number, Loop>();
  for (const loop of loops) for (const id of loop.blocks) loopOf.set(id, loop);
  const innermost = (id: number): Loop | undefined => loopOf.get(id);
  const level = new Map<Loop | undefined, (Block | Loop)[]>([[undefined, []]]);
  for (const loop of loops) level.set(loop, []);
  for (const block of graph.order) {
    const loop = innermost(block.id);
    if (loop?.header === block.id) level.get(loop.parent)!.push(loop);
    level.get(loop)!.push(block);
  }
  const parameters = new Map(func.params.map((p) => [p.id, p]));

  /** What jumps to each block of the levels that are open now. */
  const pending = new Map<number, Pending>();

  /** The copy of an original value that reaches the end of `at`. */
  function lookUp(original: Value, at: Copy): Value {
    const chain: Copy[] = [];
    let here = at;
    let found = here.known.get(original.id);
    while (!found && here.from.length === 1) {
      chain.push(here);
      here = here.from[0]!.copy;
      found = here.known.get(original.id);
    }
    if (!found) {
      // Several copies meet here and may bring different turns' values.
      const each = here.from.map((f) => lookUp(original, f.copy));
      const [first] = each;
      if (!first) throw new Error(`%${original.id} of ${func.name} does not reach its use`);
      if (each.every((v) => v.id === first.id)) {
        found = first;
      } else {
        found = value(original.type, original.name);
        here.params.push(found);
        here.from.forEach((f, index) => addArgument(f.copy, f.edge, each[index]!));
      }
      here.known.set(original.id, found);
    }
    for (const passed of chain) passed.known.set(original.id, found);
    return found;
  }

  function addArgument(copy: Copy, index: number, arg: Value): void {
    let at = 0;
    copy.end = mapEnd(
      copy.end!,
      (v) => v,
      (e) => (at++ === index ? { ...e, args: [...e.args, arg] } : e),
    );
  }

  /** Copies one block for what jumps to it now; gives undefined when nothing does. */
  function copyBlock(block: Block, mark: (span: Span) => Span): Copy | undefined {
    const incoming = pending.get(block.id);
    if (!incoming && block !== func.blocks[0]) return undefined;
    pending.delete(block.id);
    const copy: Copy = {
      id: copies.length,
      params: [],
      insts: [],
      from: (incoming ?? []).map(({ copy, edge }) => ({ copy, edge })),
      known: new Map(),
    };
    copies.push(copy);
    blockCount++;
    block.params.forEach((param, at) => {
      const args = incoming!.map((i) => i.args[at]!);
      if (args.every((arg) => arg.id === args[0]!.id)) {
        copy.known.set(param.id, args[0]!);
        return;
      }
      const made = value(param.type, param.name);
      copy.known.set(param.id, made);
      copy.params.push(made);
      incoming!.forEach((i) => addArgument(i.copy, i.edge, i.args[at]!));
    });
    const map = (original: Value): Value => parameters.get(original.id) ?? lookUp(original, copy);
    for (const old of block.insts) {
      if (old.kind === "const") {
        copy.known.set(old.result.id, pool.constant(old.result.type, old.value));
        continue;
      }
      let inst = mapOperands(old, map);
      const result = resultOf(old);
      let equal: Value | undefined;
      for (let round = 0; round < 8 && !equal; round++) {
        const found = simplifyInst(inst, facts);
        if (!found) break;
        if ("equals" in found) equal = found.equals;
        else inst = found.inst;
      }
      if (equal && result) {
        copy.known.set(result.id, equal);
        continue;
      }
      if (result) {
        const renamed = value(result.type, result.name);
        copy.known.set(result.id, renamed);
        inst = withResult(inst, renamed);
        made.set(renamed.id, inst);
      }
      copy.insts.push({ ...inst, span: mark(inst.span) });
      size++;
    }
    // Arguments are kept aside until all that jump to a block are known: only then is it clear which parameters it needs.
    const targets: Edge[] = [];
    const marked = mapEnd(block.end, map, (e) => ({ block: e.block, args: e.args.map(map) }));
    const folded = simplifyEnd(marked, facts);
    copy.end = mapEnd(
      { ...folded, span: mark(folded.span) },
      (v) => v,
      (e) => {
        targets.push(e);
        return { block: -1, args: [] };
      },
    );
    targets.forEach((to, edge) => {
      const list = pending.get(to.block);
      const entry = { copy, edge, args: to.args };
      if (list) list.push(entry);
      else pending.set(to.block, [entry]);
    });
    targetsOf.set(
      copy,
      targets.map((t) => t.block),
    );
    return copy;
  }
  const targetsOf = new Map<Copy, number[]>();
  const copyIds = new Map<Copy, Copy[]>();

  function link(copy: Copy): void {
    for (const { copy: from, edge } of copy.from) {
      const list = copyIds.get(from) ?? [];
      list[edge] = copy;
      copyIds.set(from, list);
    }
  }

  function copyLevel(
    items: readonly (Block | Loop)[],
    mark: (span: Span) => Span,
    current: Loop | undefined,
    turns: number,
  ): { decided: boolean } {
    let decided = false;
    for (const item of items) {
      if ("header" in item) {
        if (pending.has(item.header)) unrollLoop(item, mark);
        continue;
      }
      const copy = copyBlock(item, mark);
      if (!copy) continue;
      link(copy);
      if (current) {
        // An exit whose condition folded shows that the number of turns is known.
        const leaves = edges(item.end).some((e) => !current.blocks.has(e.block));
        if (leaves && targetsOf.get(copy)!.length < edges(item.end).length) decided = true;
        if (size + blockCount > limit) throw new TooMuch(current, turns, "too-large");
      }
    }
    return { decided };
  }

  function unrollLoop(loop: Loop, outer: (span: Span) => Span): void {
    const header = graph.block.get(loop.header)!;
    const place = outer(header.loop ?? header.end.span);
    for (let turn = 0; pending.has(loop.header); turn++) {
      const inner = throughLoop(place, turn);
      const { decided } = copyLevel(level.get(loop)!, (span) => inner(outer(span)), loop, turn);
      if (!decided && pending.has(loop.header)) throw new TooMuch(loop, turn, "unbounded");
    }
  }

  copyLevel(level.get(undefined)!, (span) => span, undefined, 0);
  const blocks = copies.map((copy): Block => {
    const next = copyIds.get(copy) ?? [];
    let at = 0;
    const end = mapEnd(
      copy.end!,
      (v) => v,
      (e) => ({ block: next[at++]!.id, args: e.args }),
    );
    return { id: copy.id, params: copy.params, insts: copy.insts, end };
  });
  return withPool(func, blocks, pool);
}
