/** Computes equal things once: arithmetic anywhere above, loads as long as nothing in between may have changed the memory. */
import { graphOf } from "../ir/graph.ts";
import type { Block, Edge, Func, Inst, Value } from "../ir/ir.ts";
import { isPointer } from "../ir/types.ts";
import { constantsOf, definitions, mapEdge, mapEnd, mapOperands, resolver, resultOf } from "../ir/walk.ts";
import { callChanges } from "./effects.ts";
import { memoryOf, type Memory, type Place } from "./memory.ts";
import type { Pass, PassContext } from "./pass.ts";
import { possibleBits } from "./facts.ts";

export const cse: Pass = {
  name: "cse",
  why: "Context and parameter loads repeat in every handler and every turn; a load after a store to the same place is the stored value.",
  run: eliminateCommon,
};

/** What memory is known to hold. */
interface Known {
  readonly place: Place;
  readonly bytes: number;
  readonly value: Value;
  /** How deep in the dominator tree it was loaded or stored. */
  readonly depth: number;
}
type State = Map<string, Known>;

/** More known places than this are not worth carrying from block to block. */
const MAX_KNOWN = 128;
/**
 * A load farther down the dominator tree than this is made again: kept for so long, its value would take a register from others or
 * be spilled, and what the verifier learns of it on the way would tell paths apart that are alike.
 */
const FAR = 4;

export function eliminateCommon(func: Func, context: Pick<PassContext, "module">): Func {
  const graph = graphOf(func);
  const made = definitions(func);
  const constants = new Set(context.module.globals.filter((g) => g.section === ".rodata").map((g) => g.name));
  const memory = memoryOf(func, { isConstant: (name) => constants.has(name) });
  const constantOf = constantsOf(made);
  const facts = {
    constantOf,
    madeBy: (v: Value) => made.get(v.id),
    constant: () => {
      throw new Error("no new constants here");
    },
  };
  /** A fixed distance from another address: computed where it is needed it takes a slot, kept for later a register. */
  const isCheapAddress = (inst: Inst): boolean => inst.kind === "ptradd" && constantOf(inst.offset) !== undefined;
  const replaced = new Map<number, Value>();
  const resolve = resolver(replaced);

  // Expressions: a scope per block of the dominator tree, entered and left without recursion.
  const scopes = new Map<number, Map<string, Value>>();
  const parentOf = graph.dominator;
  const depths = new Map<number, number>();
  const findExpression = (key: string, block: number): Value | undefined => {
    for (
      let at: number | undefined = block, steps = 0;
      at !== undefined && steps < 64;
      at = parentOf.get(at), steps++
    ) {
      const found = scopes.get(at)?.get(key);
      if (found) return found;
    }
    return entryScope.get(key);
  };
  const entryScope = new Map<string, Value>();
  scopes.set(func.blocks[0]!.id, entryScope);

  const atEnd = new Map<number, State>();
  const blocks = new Map<number, Block>();
  for (const block of graph.order) {
    const scope = scopes.get(block.id) ?? new Map<string, Value>();
    scopes.set(block.id, scope);
    const known = meet(graph.predecessors.get(block.id)!.map((id) => atEnd.get(id)));
    const parent = graph.dominator.get(block.id);
    const depth = parent === undefined ? 0 : depths.get(parent)! + 1;
    depths.set(block.id, depth);
    const insts: Inst[] = [];
    for (const old of block.insts) {
      const inst = mapOperands(old, resolve);
      const result = resultOf(inst);
      const key = expressionKey(inst);
      if (key !== undefined && result) {
        const found = isCheapAddress(inst) ? scope.get(key) : findExpression(key, block.id);
        if (found) {
          replaced.set(result.id, found);
          continue;
        }
        scope.set(key, result);
      }
      if (inst.kind === "load") {
        const place = memory.placeOf(inst.base, inst.offset);
        const at = placeKey(place, inst.bytes);
        const found = at === undefined ? undefined : known.get(at);
        const near = found && (depth - found.depth <= FAR || isPointer(inst.result.type));
        if (near && found.value.type === inst.result.type) {
          replaced.set(inst.result.id, found.value);
          continue;
        }
        if (at !== undefined) remember(known, at, { place, bytes: inst.bytes, value: inst.result, depth });
      } else if (inst.kind === "store") {
        const place = memory.placeOf(inst.base, inst.offset);
        const at = placeKey(place, inst.bytes);
        if (at !== undefined && known.get(at)?.value.id === inst.value.id) continue;
        forget(known, place, inst.bytes, memory);
        // A narrow load gives the value back only when it has no higher bits.
        const fits =
          inst.bytes === 8 || inst.bytes === 4 || possibleBits(inst.value, facts) < 1n << BigInt(8 * inst.bytes);
        if (at !== undefined && fits) remember(known, at, { place, bytes: inst.bytes, value: inst.value, depth });
      } else if (inst.kind === "call") {
        for (const [at, entry] of known) if (callChanges(inst, entry.place, entry.bytes, memory)) known.delete(at);
      } else if (inst.kind === "zero") {
        forget(known, memory.placeOf(inst.base, inst.offset), inst.bytes, memory);
      } else if (inst.kind === "copy") {
        forget(known, memory.placeOf(inst.to, inst.toOffset), inst.bytes, memory);
      } else if (inst.kind === "atomic") {
        forget(known, memory.placeOf(inst.base, inst.offset), inst.bytes, memory);
      }
      insts.push(inst);
    }
    atEnd.set(block.id, known);
    blocks.set(block.id, { ...block, insts });
  }
  const edge = (e: Edge): Edge => mapEdge(e, resolve);
  return {
    ...func,
    blocks: graph.order.map((b) => {
      const block = blocks.get(b.id)!;
      return {
        ...block,
        insts: block.insts.map((inst) => mapOperands(inst, resolve)),
        end: mapEnd(block.end, resolve, edge),
      };
    }),
  };
}

/** Equal keys: equal results, whatever happened in between. Undefined: not to be shared. */
function expressionKey(inst: Inst): string | undefined {
  switch (inst.kind) {
    case "const":
      return `const ${inst.result.type} ${inst.value}`;
    case "core":
      return `core ${inst.fact.kind} ${inst.fact.struct} ${inst.fact.member}`;
    case "binary":
      return `${inst.op} ${inst.result.type} ${inst.left.id} ${inst.right.id}`;
    case "compare":
      return `${inst.op} ${inst.left.id} ${inst.right.id}`;
    case "unary":
      return `${inst.op} ${inst.result.type} ${inst.value.id}`;
    case "ptradd":
      return `ptradd ${inst.base.id} ${inst.offset.id} ${inst.most ?? ""}`;
    case "global":
    case "map":
      return `${inst.kind} ${inst.name}`;
    default:
      return undefined;
  }
}

const placeKey = (place: Place, bytes: number): string | undefined =>
  place.offset === undefined ? undefined : `${place.root}+${place.offset}:${bytes}`;

function remember(known: State, key: string, entry: Known): void {
  if (known.size >= MAX_KNOWN) {
    const [oldest] = known.keys();
    known.delete(oldest!);
  }
  known.set(key, entry);
}

function forget(known: State, place: Place, bytes: number, memory: Memory): void {
  for (const [key, entry] of known) if (memory.overlap(place, bytes, entry.place, entry.bytes)) known.delete(key);
}

/** What all predecessors agree on; a predecessor not seen yet (a back edge) agrees on nothing. */
function meet(states: readonly (State | undefined)[]): State {
  const [first, ...others] = states;
  if (!first || others.some((s) => s === undefined)) return new Map();
  const common: State = new Map();
  for (const [key, entry] of first)
    if (others.every((s) => s!.get(key)?.value.id === entry.value.id)) common.set(key, entry);
  return common;
}
