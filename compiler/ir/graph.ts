/** The control-flow graph of a function: order, predecessors, dominators, loops. */
import { edges, type Block, type Func } from "./ir.ts";

export interface Graph {
  /** Reachable blocks, each before its successors except along back edges. */
  readonly order: readonly Block[];
  /** Position in `order` by block id; absent: unreachable. */
  readonly position: ReadonlyMap<number, number>;
  readonly block: ReadonlyMap<number, Block>;
  /** Ids of predecessors, one per edge, by block id. */
  readonly predecessors: ReadonlyMap<number, readonly number[]>;
  /** Id of the immediate dominator by block id; the entry has none. */
  readonly dominator: ReadonlyMap<number, number>;
}

/** Functions are values, so what is known of one stays true: several analyses of one pass ask for the same. */
const known = new WeakMap<Func, Graph>();

/** Everything about the graph, in time linear in its size (dominators: Cooper, Harvey, Kennedy 2001). */
export function graphOf(func: Func): Graph {
  let found = known.get(func);
  if (!found) known.set(func, (found = analyze(func)));
  return found;
}

function analyze(func: Func): Graph {
  const block = new Map(func.blocks.map((b) => [b.id, b]));
  const order = reversePostorder(func, block);
  const position = new Map(order.map((b, at) => [b.id, at]));
  const predecessors = new Map<number, number[]>(order.map((b) => [b.id, []]));
  for (const from of order) for (const edge of edges(from.end)) predecessors.get(edge.block)?.push(from.id);
  return { order, position, block, predecessors, dominator: dominators(order, position, predecessors) };
}

function reversePostorder(func: Func, block: ReadonlyMap<number, Block>): Block[] {
  const entry = func.blocks[0];
  if (!entry) return [];
  const seen = new Set([entry.id]);
  const post: Block[] = [];
  // An explicit stack: unrolled code is far deeper than the call stack allows.
  const stack: { at: Block; next: readonly number[]; index: number }[] = [];
  const push = (b: Block): void => {
    // The last successor is visited first, so that the first one comes first in the reversed order.
    stack.push({
      at: b,
      next: edges(b.end)
        .map((e) => e.block)
        .reverse(),
      index: 0,
    });
  };
  push(entry);
  for (let top = stack.at(-1); top; top = stack.at(-1)) {
    const id = top.next[top.index++];
    if (id === undefined) {
      post.push(top.at);
      stack.pop();
    } else if (!seen.has(id)) {
      seen.add(id);
      const to = block.get(id);
      if (to) push(to);
    }
  }
  return post.reverse();
}

function dominators(
  order: readonly Block[],
  position: ReadonlyMap<number, number>,
  predecessors: ReadonlyMap<number, readonly number[]>,
): Map<number, number> {
  const above: number[] = order.map(() => -1);
  above[0] = 0;
  const meet = (a: number, b: number): number => {
    while (a !== b) {
      while (a > b) a = above[a]!;
      while (b > a) b = above[b]!;
    }
    return a;
  };
  for (let changed = true; changed;) {
    changed = false;
    for (let at = 1; at < order.length; at++) {
      let found = -1;
      // The last one first: where a chain of tests leads to one place, each walk is then one step, not all of the chain.
      const before = predecessors.get(order[at]!.id)!;
      for (let index = before.length - 1; index >= 0; index--) {
        const from = position.get(before[index]!)!;
        if (above[from] === -1) continue;
        found = found === -1 ? from : meet(found, from);
      }
      if (above[at] !== found) {
        above[at] = found;
        changed = true;
      }
    }
  }
  return new Map(order.flatMap((b, at) => (at === 0 ? [] : [[b.id, order[above[at]!]!.id] as const])));
}

/** Children of each block in the dominator tree, in order. */
export function dominatorTree(graph: Graph): Map<number, Block[]> {
  const children = new Map<number, Block[]>(graph.order.map((b) => [b.id, []]));
  for (const b of graph.order) {
    const parent = graph.dominator.get(b.id);
    if (parent !== undefined) children.get(parent)!.push(b);
  }
  return children;
}

/** The nearest block that dominates both. */
export function commonDominator(graph: Graph, a: number, b: number): number {
  let x = a;
  let y = b;
  while (x !== y) {
    if (graph.position.get(x)! > graph.position.get(y)!) x = graph.dominator.get(x)!;
    else y = graph.dominator.get(y)!;
  }
  return x;
}

/** Whether `a` dominates `b`: a test in constant time after linear preparation. */
export function dominance(graph: Graph): (a: number, b: number) => boolean {
  const children = dominatorTree(graph);
  const enter = new Map<number, number>();
  const leave = new Map<number, number>();
  let clock = 0;
  const entry = graph.order[0];
  if (!entry) return () => false;
  const stack: { id: number; index: number }[] = [{ id: entry.id, index: 0 }];
  enter.set(entry.id, clock++);
  for (let top = stack.at(-1); top; top = stack.at(-1)) {
    const child = children.get(top.id)![top.index++];
    if (child) {
      enter.set(child.id, clock++);
      stack.push({ id: child.id, index: 0 });
    } else {
      leave.set(top.id, clock++);
      stack.pop();
    }
  }
  return (a, b) => enter.get(a)! <= enter.get(b)! && leave.get(a)! >= leave.get(b)!;
}

export interface Loop {
  /** Id of the header. */
  readonly header: number;
  /** Ids of all blocks, those of inner loops included. */
  readonly blocks: ReadonlySet<number>;
  readonly parent?: Loop;
}

/** Natural loops, outer before inner. `irreducible` names a block that a loop is entered at besides its header. */
export function loopsOf(graph: Graph): { loops: readonly Loop[]; irreducible?: number } {
  const dominates = dominance(graph);
  const bodies = new Map<number, Set<number>>();
  let irreducible: number | undefined;
  for (const from of graph.order) {
    for (const edge of edges(from.end)) {
      if (graph.position.get(edge.block)! > graph.position.get(from.id)!) continue;
      if (!dominates(edge.block, from.id)) {
        irreducible ??= edge.block;
        continue;
      }
      const body = bodies.get(edge.block) ?? new Set([edge.block]);
      bodies.set(edge.block, body);
      const work = [from.id];
      for (let id = work.pop(); id !== undefined; id = work.pop()) {
        if (body.has(id)) continue;
        body.add(id);
        work.push(...graph.predecessors.get(id)!);
      }
    }
  }
  const headers = [...bodies.keys()].sort((a, b) => graph.position.get(a)! - graph.position.get(b)!);
  const loops: Loop[] = [];
  for (const header of headers) {
    const parent = loops.findLast((outer) => outer.blocks.has(header));
    loops.push({ header, blocks: bodies.get(header)!, ...(parent ? { parent } : {}) });
  }
  return { loops, ...(irreducible === undefined ? {} : { irreducible }) };
}
