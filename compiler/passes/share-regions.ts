/**
 * Equal code on paths that exclude each other stands once. Two regions are equal when they do the same in lockstep, block by
 * block, up to the values' names; they may lead on to the same places, and to one place where they differ. What differs
 * going in, or is needed after the one region only, is passed in as a block parameter.
 */
import { graphOf } from "../ir/graph.ts";
import { edges, type Block, type Func } from "../ir/ir.ts";
import { compare, endShape, shape, type Match } from "./equal-regions.ts";
import { merge } from "./merge-regions.ts";
import type { Pass } from "./pass.ts";

export const shareRegions: Pass = {
  name: "share-regions",
  why: "A handler that several events run is expanded for each; one copy is smaller, and the verifier walks it with equal states once.",
  needs: ["no-memory-ops", "no-compares", "no-switches", "no-signed-division"],
  run: shareAll,
};

/** Merges per function; each looks at all blocks again. */
const MAX_MERGES = 24;
/** Candidate pairs looked at per merge. */
const MAX_PAIRS = 256;

export function shareAll(func: Func): Func {
  let current = func;
  for (let round = 0; round < MAX_MERGES; round++) {
    const next = shareOnce(current);
    if (!next) break;
    current = next;
  }
  return current;
}

function shareOnce(func: Func): Func | undefined {
  const graph = graphOf(func);
  if (graph.order.some((b) => edges(b.end).some((e) => graph.position.get(e.block)! <= graph.position.get(b.id)!)))
    return undefined;
  const groups = new Map<string, Block[]>();
  for (const block of graph.order) {
    const last = block.insts.at(-1);
    if (!last) continue;
    const key = `${shape(last)}|${endShape(block.end)}`;
    const group = groups.get(key);
    if (group) group.push(block);
    else groups.set(key, [block]);
  }
  let best: Match | undefined;
  let pairs = 0;
  for (const group of groups.values())
    for (let i = 0; i < group.length; i++)
      for (let j = i + 1; j < group.length && pairs < MAX_PAIRS; j++, pairs++) {
        const match = compare(group[i]!, group[j]!, graph);
        if (match && (!best || match.size > best.size)) best = match;
      }
  return best ? merge(func, graph, best) : undefined;
}
