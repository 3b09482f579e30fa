/**
 * Register allocation by graph coloring with iterated coalescing (George and Appel 1996) over r0 to r9.
 * Calls leave r0 to r5 undefined, so what lives across a call gets r6 to r9; what does not fit is spilled or made again.
 */
import {
  FIRST_VIRTUAL,
  FRAME,
  mapEndRegisters,
  mapRegisters,
  type MachineFunc,
  type Reg,
  type Virtual,
} from "./insn.ts";
import { connect, interfere, interferenceOf, isReal, type Copy } from "./interference.ts";
import { spill } from "./spill.ts";
import { Worklist } from "./worklist.ts";

const COLORS = 10;
/** Each round spills at least one value; more rounds than this means that the spilled code does not get easier. */
const MAX_ROUNDS = 200;

/** Gives every virtual register a real one. */
export function allocate(func: MachineFunc<Virtual>): MachineFunc<Reg> {
  let current = func;
  /** Registers made by spilling: too short to be spilled again. */
  const temporary = new Set<number>();
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const colored = color(current, temporary);
    if (colored.spilled.size === 0) {
      const map = (register: Virtual): Reg => (register < FIRST_VIRTUAL ? register : colored.colors[register]!) as Reg;
      return {
        ...current,
        blocks: current.blocks.map((block) => ({
          ...block,
          insns: block.insns.map((insn) => mapRegisters(insn, map)),
          end: mapEndRegisters(block.end, map),
        })),
      };
    }
    const before = current.registers;
    current = spill(current, colored.spilled);
    for (let register = before; register < current.registers; register++) temporary.add(register);
  }
  throw new Error(`no registers could be found for ${func.name}`);
}

/** A copy, and what was decided about it: to be looked at, looked at in vain until something changes, or settled for good. */
interface Move extends Copy {
  state: "waiting" | "active" | "settled";
}

/** Moves in a chain, so that two of them are joined without looking at either. */
interface Link {
  readonly move: Move;
  next?: Link;
}
/** The moves from and to a register. One that both are of is there twice. */
interface Moves {
  first?: Link;
  last?: Link;
  /** How many of them are not settled, and how many of those are active. */
  open: number;
  active: number;
}

function append(to: Moves, more: Moves): void {
  if (!more.first) return;
  if (to.last) to.last.next = more.first;
  else to.first = more.first;
  to.last = more.last!;
  to.open += more.open;
  to.active += more.active;
}

function* each({ first, last }: Moves): Iterable<Move> {
  // The chain may go on: with those of a register that this one has become.
  for (let link = first; link; link = link === last ? undefined : link.next) yield link.move;
}

function color(func: MachineFunc<Virtual>, temporary: ReadonlySet<number>): { colors: number[]; spilled: Set<number> } {
  const count = func.registers;
  const { present, neighbours, copies, cost, again } = interferenceOf(func);
  const degree = neighbours.map((of) => of.size);
  const movesOf = Array.from({ length: count }, (): Moves => ({ open: 0, active: 0 }));
  /** What each register has become, if it was made one with another. */
  const alias = new Int32Array(count).fill(-1);
  const removed = new Uint8Array(count);
  const stack: number[] = [];
  const simplifyList = new Worklist<number>();
  const freezeList = new Worklist<number>();
  const spillList = new Worklist<number>();
  const waiting = new Worklist<Move>();

  const find = (n: number): number => {
    let at = n;
    for (let to = alias[at]!; to !== -1; to = alias[at]!) {
      // The next one to ask has half the way.
      if (alias[to] !== -1) alias[at] = alias[to]!;
      at = to;
    }
    return at;
  };
  const change = (move: Move, state: Move["state"]): void => {
    for (const end of [movesOf[find(move.to)]!, movesOf[find(move.from)]!]) {
      if (move.state === "active") end.active--;
      if (state === "active") end.active++;
      if (state === "settled") end.open--;
    }
    move.state = state;
  };
  const moveRelated = (n: number): boolean => movesOf[n]!.open > 0;
  /** Whether a register still has to be colored. */
  const isThere = (n: number): boolean => removed[n] === 0 && alias[n] === -1;

  for (const copy of copies) {
    const move: Move = { ...copy, state: "waiting" };
    waiting.add(move);
    for (const end of [copy.to, copy.from]) {
      const link = { move };
      append(movesOf[end]!, { first: link, last: link, open: 1, active: 0 });
    }
  }
  for (const n of present) {
    if (isReal(n)) continue;
    if (degree[n]! >= COLORS) spillList.add(n);
    else if (moveRelated(n)) freezeList.add(n);
    else simplifyList.add(n);
  }

  const enable = (n: number): void => {
    const moves = movesOf[n]!;
    if (moves.active === 0) return;
    for (const move of each(moves)) {
      if (move.state !== "active") continue;
      change(move, "waiting");
      waiting.add(move);
    }
  };
  const decrement = (n: number): void => {
    if (isReal(n)) return;
    const before = degree[n]!--;
    if (before !== COLORS) return;
    enable(n);
    for (const other of neighbours[n]!) if (isThere(other)) enable(other);
    spillList.delete(n);
    if (moveRelated(n)) freezeList.add(n);
    else simplifyList.add(n);
  };
  const toSimplify = (n: number): void => {
    if (!isReal(n) && !moveRelated(n) && degree[n]! < COLORS && removed[n] === 0) {
      freezeList.delete(n);
      simplifyList.add(n);
    }
  };
  const combine = (into: number, from: number): void => {
    if (!freezeList.delete(from)) spillList.delete(from);
    simplifyList.delete(from);
    enable(from);
    alias[from] = into;
    append(movesOf[into]!, movesOf[from]!);
    cost[into]! += cost[from]!;
    // Only a value that all its definitions can make again stays cheap to spill.
    again[into] = again[into]! && again[from]!;
    for (const other of neighbours[from]!) {
      if (!isThere(other)) continue;
      if (interfere(neighbours, other, into)) decrement(other);
      else {
        connect(neighbours, other, into);
        degree[into]!++;
      }
    }
    if (degree[into]! >= COLORS && freezeList.delete(into)) spillList.add(into);
  };
  const coalesce = (move: Move): void => {
    let u = find(move.to);
    let v = find(move.from);
    if (isReal(v)) [u, v] = [v, u];
    if (u === v) {
      change(move, "settled");
      toSimplify(u);
    } else if (isReal(v) || interfere(neighbours, u, v) || u === FRAME) {
      change(move, "settled");
      toSimplify(u);
      toSimplify(v);
    } else if (isReal(u) ? fits(u, v) : conservative(u, v)) {
      change(move, "settled");
      combine(u, v);
      toSimplify(u);
    } else {
      change(move, "active");
    }
  };
  /** Whether a real register can be one with a virtual one: no neighbour of that loses a choice by it. */
  const fits = (real: number, v: number): boolean => {
    for (const t of neighbours[v]!)
      if (isThere(t) && !isReal(t) && degree[t]! >= COLORS && !neighbours[t]!.has(real)) return false;
    return true;
  };
  /** Whether what two registers would become can still be colored, whatever its neighbours get. */
  const conservative = (u: number, v: number): boolean => {
    let many = 0;
    const see = (n: number, other: number): void => {
      // A neighbour of both loses one neighbour when they become one.
      if (isThere(n) && (isReal(n) || degree[n]! - (neighbours[other]!.has(n) ? 1 : 0) >= COLORS)) many++;
    };
    for (const n of neighbours[u]!) see(n, v);
    for (const n of neighbours[v]!) if (!neighbours[u]!.has(n)) see(n, u);
    return many < COLORS;
  };
  const freezeMoves = (n: number): void => {
    for (const move of each(movesOf[n]!)) {
      if (move.state === "settled") continue;
      waiting.delete(move);
      change(move, "settled");
      toSimplify(find(move.to) === find(n) ? find(move.from) : find(move.to));
    }
  };
  /** Of those that have too many neighbours, the one that costs least for each neighbour that it frees. */
  const worst = (): number | undefined => {
    let found: number | undefined;
    let least = Infinity;
    for (const n of spillList) {
      const weight = temporary.has(n) ? 1e9 : cost[n]!;
      const price = weight / degree[n]!;
      if (price < least) {
        least = price;
        found = n;
      }
    }
    return found;
  };

  for (;;) {
    const simple = simplifyList.take();
    if (simple !== undefined) {
      if (!isThere(simple)) continue;
      stack.push(simple);
      removed[simple] = 1;
      for (const other of neighbours[simple]!) if (isThere(other)) decrement(other);
      continue;
    }
    const move = waiting.take();
    if (move) {
      coalesce(move);
      continue;
    }
    let frozen = freezeList.take();
    if (frozen === undefined) {
      frozen = worst();
      if (frozen === undefined) break;
      spillList.delete(frozen);
    }
    simplifyList.add(frozen);
    freezeMoves(frozen);
  }

  const colors = new Array<number>(count).fill(-1);
  for (let n = 0; n < FIRST_VIRTUAL; n++) colors[n] = n;
  const spilled = new Set<number>();
  for (let n = stack.pop(); n !== undefined; n = stack.pop()) {
    const taken = new Set<number>();
    for (const other of neighbours[n]!) {
      const at = find(other);
      if (colors[at] !== -1) taken.add(colors[at]!);
    }
    let chosen = -1;
    // The register of what it is moved from or to saves the move.
    for (const { to, from } of each(movesOf[n]!)) {
      const wish = colors[find(to) === n ? find(from) : find(to)]!;
      if (wish < 0 || wish >= COLORS || taken.has(wish)) continue;
      chosen = wish;
      break;
    }
    for (let c = 0; chosen === -1 && c < COLORS; c++) if (!taken.has(c)) chosen = c;
    if (chosen === -1) spilled.add(n);
    else colors[n] = chosen;
  }
  for (let n = FIRST_VIRTUAL; n < count; n++) if (alias[n] !== -1) colors[n] = colors[find(n)]!;
  // All registers that were made one are spilled together.
  const group = new Set<number>();
  for (const n of present) if (!isReal(n) && spilled.has(find(n))) group.add(n);
  return { colors, spilled: group };
}
