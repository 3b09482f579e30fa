/** What instruction selection knows of the function that it goes through, and what it has made so far. */
import { dominance, graphOf, type Graph } from "../ir/graph.ts";
import type { Func, Inst, Value } from "../ir/ir.ts";
import { slotLives } from "../ir/slot-lives.ts";
import { contextOf } from "../ir/types.ts";
import { definitions, operands, useCounts, visitUses } from "../ir/walk.ts";
import type { GlobalVar } from "../module.ts";
import { slotAlignment } from "../ir/slot-alignment.ts";
import type { Span } from "../span.ts";
import type { Isa } from "../bpf/isa.ts";
import { planContext, type ContextPlan } from "./context-register.ts";
import { FIRST_VIRTUAL, type FrameVariable, type Insn, type MachineBlock, type Virtual } from "./insn.ts";
import { keptAddresses } from "./kept-addresses.ts";

export interface Selection {
  readonly isa: Isa;
  readonly globals: readonly GlobalVar[];
  readonly graph: Graph;
  readonly made: ReadonlyMap<number, Inst>;
  readonly uses: ReadonlyMap<number, number>;

  /** Stack variables, and their numbers by the values of their addresses. */
  readonly frame: FrameVariable[];
  readonly slots: Map<number, number>;
  readonly lives: ReturnType<typeof slotLives>;

  readonly registers: Map<number, Virtual>;
  nextRegister: number;
  nextBlock: number;
  /** Values of 32 bits whose register has zeros above. */
  readonly clean: Set<number>;
  /**
   * Clean values of which the kernel's verifier does not know it: after 32-bit division, shifts by a variable, negation and byte swaps it forgets
   * the whole register (check_alu_op and is_safe_to_compute_dst_reg_range in kernel/bpf/verifier.c). Where the 64-bit value
   * counts, as in an address, a 32-bit move says it again.
   */
  readonly blurred: Set<number>;

  /** Addresses of members of the kernel's structs that only loads and stores use, which then name the member themselves. */
  readonly members: ReadonlyMap<number, MemberAddress>;

  /** Addresses that a block puts into registers, and the blocks by address. */
  readonly kept: ReadonlyMap<number, readonly Value[]>;
  readonly keptIn: ReadonlyMap<number, readonly number[]>;
  readonly dominates: (above: number, below: number) => boolean;

  readonly context: Value | undefined;
  readonly contextPlan: ContextPlan | undefined;
  readonly contextCopy: Virtual;
  /** Where the context is for certain: r1 until the first call, then the copy. */
  contextRegister: Virtual;
  contextToSave: boolean;

  /** The block being selected, its instructions so far, and the addresses kept in it so far. */
  here: number;
  out: Insn<Virtual>[];
  readonly keptHere: Set<number>;
  /** Blocks that its outgoing edges need for their moves. */
  edgeBlocks: MachineBlock<Virtual>[];
}

/** The register in which a program is given its context. */
export const CONTEXT_ARRIVES = 1 as Virtual;

/** The state before the first block. */
export function startSelection(func: Func, globals: readonly GlobalVar[], isa: Isa): Selection {
  const graph = graphOf(func);
  const made = definitions(func);
  const kept = keptAddresses(graph, made);
  const keptIn = new Map<number, number[]>();
  for (const [block, list] of kept)
    for (const value of list) keptIn.set(value.id, [...(keptIn.get(value.id) ?? []), block]);
  // Where the context comes as another argument, it is one like the others.
  const [first] = func.params;
  const context = first && contextOf(first.type) !== undefined ? first : undefined;
  return {
    isa,
    globals,
    graph,
    made,
    uses: useCounts(func),
    frame: [],
    slots: new Map(),
    lives: slotLives(graph.order),
    registers: new Map(),
    nextRegister: FIRST_VIRTUAL + 1,
    nextBlock: func.blocks.reduce((most, b) => Math.max(most, b.id + 1), 0),
    clean: new Set(),
    blurred: new Set(),
    members: memberAddresses(func, made),
    kept,
    keptIn,
    dominates: dominance(graph),
    context,
    contextPlan: context ? planContext(graph, context) : undefined,
    contextCopy: FIRST_VIRTUAL as Virtual,
    contextRegister: CONTEXT_ARRIVES,
    contextToSave: false,
    here: func.blocks[0]!.id,
    out: [],
    keptHere: new Set(),
    edgeBlocks: [],
  };
}

export interface MemberAddress {
  readonly base: Value;
  readonly by: Extract<Inst, { kind: "core" }>;
}
function memberAddresses(func: Func, made: ReadonlyMap<number, Inst>): Map<number, MemberAddress> {
  const found = new Map<number, MemberAddress>();
  for (const inst of made.values()) {
    if (inst.kind !== "ptradd") continue;
    const by = made.get(inst.offset.id);
    if (by?.kind === "core") found.set(inst.result.id, { base: inst.base, by });
  }
  if (found.size === 0) return found;
  for (const block of func.blocks) {
    for (const inst of block.insts) {
      const access = inst.kind === "load" || inst.kind === "store" || inst.kind === "atomic";
      for (const value of operands(inst))
        if (!(access && inst.offset === 0 && value.id === inst.base.id)) found.delete(value.id);
    }
    visitUses({ ...block, insts: [] }, ({ id }) => void found.delete(id));
  }
  return found;
}

/** Goes on with the next block. */
export function enterBlock(s: Selection, block: number): void {
  s.here = block;
  s.out = [];
  s.edgeBlocks = [];
  s.keptHere.clear();
  s.contextRegister = s.contextPlan?.arrives.has(block) ? CONTEXT_ARRIVES : s.contextCopy;
  s.contextToSave = s.contextPlan?.saves.has(block) ?? false;
}

/** A virtual register that nothing uses yet. */
export const fresh = (s: Selection): Virtual => s.nextRegister++ as Virtual;

/** The register that a value has from its definition on. */
export function registerOf(s: Selection, value: Value): Virtual {
  if (value.id === s.context?.id) return s.contextRegister;
  let found = s.registers.get(value.id);
  if (found === undefined) {
    found = fresh(s);
    s.registers.set(value.id, found);
  }
  return found;
}

/** The constant a value is, read as signed. */
export function constant(s: Selection, value: Value): bigint | undefined {
  const inst = s.made.get(value.id);
  if (inst?.kind !== "const") return undefined;
  return BigInt.asIntN(value.type === "w32" ? 32 : 64, inst.value);
}

/** The fact of the kernel that a value is. */
export function coreOf(s: Selection, value: Value): Extract<Inst, { kind: "core" }> | undefined {
  const inst = s.made.get(value.id);
  return inst?.kind === "core" ? inst : undefined;
}

/** The number of the stack variable whose address a value is. */
export function slotOf(s: Selection, value: Value): number | undefined {
  const inst = s.made.get(value.id);
  if (inst?.kind !== "slot") return undefined;
  let found = s.slots.get(value.id);
  if (found === undefined) {
    found = s.frame.length;
    s.frame.push({
      kind: "variable",
      size: inst.size,
      align: slotAlignment(inst.size, inst.align),
      name: inst.name,
      span: inst.span,
      life: s.lives.get(value.id) ?? { from: 0, to: Infinity },
    });
    s.slots.set(value.id, found);
  }
  return found;
}

/** Whether an address is in its register here. */
export const isKept = (s: Selection, value: Value): boolean =>
  s.keptHere.has(value.id) ||
  (s.keptIn.get(value.id)?.some((block) => block !== s.here && s.dominates(block, s.here)) ?? false);

/** Copies the context out of r1, where this block is the one that does. */
export function saveContext(s: Selection, span: Span): void {
  if (!s.contextToSave) return;
  s.contextToSave = false;
  s.out.push({ kind: "mov", wide: true, dst: s.contextCopy, src: { reg: CONTEXT_ARRIVES }, span });
}

/** Puts the copy of the context back into r1, where the next block wants it there. */
export function restoreContext(s: Selection, span: Span): void {
  if (!s.contextPlan?.restores.has(s.here)) return;
  s.out.push({ kind: "mov", wide: true, dst: CONTEXT_ARRIVES, src: { reg: s.contextCopy }, span });
}
