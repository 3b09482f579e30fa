/**
 * Register allocation by graph coloring with iterated coalescing (George and Appel 1996) over r0 to r9.
 * Calls leave r0 to r5 undefined, so what lives across a call gets r6 to r9; what does not fit is spilled or made again.
 */
import { liveAtEnd, walkBackward } from "./liveness.ts";
import {
  endReads,
  FIRST_VIRTUAL,
  mapEndRegisters,
  mapRegisters,
  reads,
  writes,
  type MachineFunc,
  type Reg,
  type Virtual,
} from "./insn.ts";
import { spill } from "./spill.ts";

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

interface Move {
  readonly a: number;
  readonly b: number;
}

function color(func: MachineFunc<Virtual>, temporary: ReadonlySet<number>): { colors: number[]; spilled: Set<number> } {
  const count = func.registers;
  const neighbours: Set<number>[] = Array.from({ length: count }, () => new Set());
  const degree = new Array<number>(count).fill(0);
  /** Slots that spilling would add. */
  const cost = new Array<number>(count).fill(0);
  const copied = new Array<number>(count).fill(0);
  const used = new Array<number>(count).fill(0);
  const defined = new Array<number>(count).fill(0);
  const madeIn = new Array<number>(count).fill(1);
  /** Whether every definition so far is cheap to do again. */
  const again = new Array<boolean>(count).fill(true);
  const moves: Move[] = [];
  const movesOf: Move[][] = Array.from({ length: count }, () => []);
  const present = new Set<number>();

  const connect = (a: number, b: number): void => {
    if (a === b || neighbours[a]!.has(b)) return;
    neighbours[a]!.add(b);
    neighbours[b]!.add(a);
    degree[a]!++;
    degree[b]!++;
  };

  const live = liveAtEnd(func.blocks);
  for (const block of func.blocks) {
    const walking = new Set<number>(live.get(block.id));
    for (const read of endReads(block.end)) used[read]!++;
    walkBackward(block, walking, (at, after) => {
      const insn = block.insns[at]!;
      const source = insn.kind === "mov" && "reg" in insn.src ? insn.src.reg : undefined;
      for (const written of writes<Virtual>(insn)) {
        present.add(written);
        defined[written]!++;
        if (insn.kind === "lddw" || insn.kind === "address") madeIn[written] = 2;
        if (!insn.again) again[written] = false;
        for (const other of after) if (other !== written && other !== source) connect(written, other);
        // Registers that one instruction writes together differ.
        if (insn.kind === "call")
          for (const other of writes<Virtual>(insn)) if (other !== written) connect(written, other);
      }
      for (const read of reads(insn)) {
        present.add(read);
        if (insn.kind === "mov" && insn.wide) copied[read]!++;
        else used[read]!++;
      }
      // A 32-bit move changes the upper half, so its two registers may only be one when the move stays: it is not a copy.
      if (insn.kind === "mov" && insn.wide && source !== undefined) {
        const move: Move = { a: insn.dst, b: source };
        moves.push(move);
        movesOf[insn.dst]!.push(move);
        movesOf[source]!.push(move);
      }
    });
  }

  // What can be made again replaces the move that copies it; anything else is loaded for each use and stored when made.
  for (const n of present)
    cost[n] = again[n]
      ? copied[n]! * (madeIn[n]! - 1) + (used[n]! - defined[n]!) * madeIn[n]!
      : copied[n]! + used[n]! + defined[n]!;

  const fixed = (n: number): boolean => n < FIRST_VIRTUAL;
  const alias = new Array<number>(count).fill(-1);
  const find = (n: number): number => {
    let at = n;
    while (alias[at] !== -1) at = alias[at]!;
    return at;
  };
  const removed = new Set<number>();
  const stack: number[] = [];
  const simplifyList = new Set<number>();
  const freezeList = new Set<number>();
  const spillList = new Set<number>();
  const waiting = new Set<Move>(moves);
  const active = new Set<Move>();
  const settled = new Set<Move>();

  const nodeMoves = (n: number): Move[] => movesOf[n]!.filter((m) => !settled.has(m));
  // Moves are only ever settled, and lists only grow: what was passed once is not looked at again.
  const passed = new Array<number>(count).fill(0);
  const moveRelated = (n: number): boolean => {
    const list = movesOf[n]!;
    let at = passed[n]!;
    while (at < list.length && settled.has(list[at]!)) at++;
    passed[n] = at;
    return at < list.length;
  };
  const adjacent = (n: number): number[] => [...neighbours[n]!].filter((o) => !removed.has(o) && alias[o] === -1);

  for (const n of present) {
    if (fixed(n)) continue;
    if (degree[n]! >= COLORS) spillList.add(n);
    else if (moveRelated(n)) freezeList.add(n);
    else simplifyList.add(n);
  }

  const enable = (n: number): void => {
    for (const move of nodeMoves(n)) if (active.delete(move)) waiting.add(move);
  };
  const decrement = (n: number): void => {
    if (fixed(n)) return;
    const before = degree[n]!--;
    if (before === COLORS) {
      enable(n);
      for (const other of adjacent(n)) enable(other);
      spillList.delete(n);
      if (moveRelated(n)) freezeList.add(n);
      else simplifyList.add(n);
    }
  };
  const toSimplify = (n: number): void => {
    if (!fixed(n) && !moveRelated(n) && degree[n]! < COLORS && !removed.has(n)) {
      freezeList.delete(n);
      simplifyList.add(n);
    }
  };
  const combine = (into: number, from: number): void => {
    if (!freezeList.delete(from)) spillList.delete(from);
    simplifyList.delete(from);
    alias[from] = into;
    movesOf[into]!.push(...movesOf[from]!);
    cost[into]! += cost[from]!;
    // Only a value that all its definitions can make again stays cheap to spill.
    again[into] = again[into]! && again[from]!;
    enable(from);
    for (const other of neighbours[from]!) {
      if (removed.has(other) || alias[other] !== -1) continue;
      const known = neighbours[other]!.has(into);
      connect(other, into);
      if (known) decrement(other);
      else if (!fixed(other)) degree[other]!--;
    }
    if (degree[into]! >= COLORS && freezeList.delete(into)) spillList.add(into);
  };
  const coalesce = (move: Move): void => {
    waiting.delete(move);
    let u = find(move.a);
    let v = find(move.b);
    if (fixed(v)) [u, v] = [v, u];
    if (u === v) {
      settled.add(move);
      toSimplify(u);
    } else if (fixed(v) || neighbours[u]!.has(v) || u === 10) {
      settled.add(move);
      toSimplify(u);
      toSimplify(v);
    } else if (
      fixed(u) ? adjacent(v).every((t) => degree[t]! < COLORS || fixed(t) || neighbours[t]!.has(u)) : conservative(u, v)
    ) {
      settled.add(move);
      combine(u, v);
      toSimplify(u);
    } else {
      active.add(move);
    }
  };
  const conservative = (u: number, v: number): boolean => {
    let many = 0;
    const around = new Set([...adjacent(u), ...adjacent(v)]);
    for (const n of around) {
      // A neighbour of both loses one neighbour when they become one.
      const d = degree[n]! - (neighbours[n]!.has(u) && neighbours[n]!.has(v) ? 1 : 0);
      if (fixed(n) || d >= COLORS) many++;
    }
    return many < COLORS;
  };
  const freezeMoves = (n: number): void => {
    for (const move of nodeMoves(n)) {
      active.delete(move);
      waiting.delete(move);
      settled.add(move);
      const other = find(move.a) === find(n) ? find(move.b) : find(move.a);
      toSimplify(other);
    }
  };

  for (;;) {
    const [simple] = simplifyList;
    if (simple !== undefined) {
      simplifyList.delete(simple);
      if (removed.has(simple) || alias[simple] !== -1) continue;
      stack.push(simple);
      removed.add(simple);
      for (const other of adjacent(simple)) decrement(other);
      continue;
    }
    const [move] = waiting;
    if (move) {
      coalesce(move);
      continue;
    }
    const [frozen] = freezeList;
    if (frozen !== undefined) {
      freezeList.delete(frozen);
      simplifyList.add(frozen);
      freezeMoves(frozen);
      continue;
    }
    if (spillList.size === 0) break;
    let worst: number | undefined;
    let least = Infinity;
    for (const n of spillList) {
      const weight = temporary.has(n) ? 1e9 : cost[n]!;
      const price = weight / degree[n]!;
      if (price < least) {
        least = price;
        worst = n;
      }
    }
    spillList.delete(worst!);
    simplifyList.add(worst!);
    freezeMoves(worst!);
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
    // The register of what it is moved from or to saves the move.
    const wish = movesOf[n]!.map((m) => colors[find(m.a) === n ? find(m.b) : find(m.a)]!).find(
      (c) => c >= 0 && c < COLORS && !taken.has(c),
    );
    let chosen = wish ?? -1;
    for (let c = 0; chosen === -1 && c < COLORS; c++) if (!taken.has(c)) chosen = c;
    if (chosen === -1) spilled.add(n);
    else colors[n] = chosen;
  }
  for (let n = FIRST_VIRTUAL; n < count; n++) if (alias[n] !== -1) colors[n] = colors[find(n)]!;
  // All registers that were made one are spilled together.
  const group = new Set<number>();
  for (const n of present) if (!fixed(n) && spilled.has(find(n))) group.add(n);
  return { colors, spilled: group };
}
