/** Global variables of one section that are read or written one after the other are reached from one address. */
import type { Block, Func, Inst, Value } from "../ir/ir.ts";
import { definitions, freshValues } from "../ir/walk.ts";
import type { GlobalVar } from "../module.ts";
import type { Pass } from "./pass.ts";

export const shareAddresses: Pass = {
  name: "share-addresses",
  why: "An address takes two slots, and the variables of a section lie at fixed distances from each other.",
  needs: ["no-memory-ops"],
  run: (func, { module }) => shareAllAddresses(func, module.globals),
};

/** Farther apart than this, the variables keep their own addresses: offsets have 16 bits. */
const FAR = 0x7000;

type Access = Extract<Inst, { kind: "load" | "store" | "atomic" }>;

export function shareAllAddresses(func: Func, globals: readonly GlobalVar[]): Func {
  const made = definitions(func);
  const places = new Map(globals.map((g) => [g.name, g]));
  const value = freshValues(func);
  const globalOf = (inst: Inst): GlobalVar | undefined => {
    if (inst.kind !== "load" && inst.kind !== "store" && inst.kind !== "atomic") return undefined;
    const base = made.get(inst.base.id);
    return base?.kind === "global" ? places.get(base.name) : undefined;
  };
  const share = (block: Block): Block => {
    // What to reach from one address, by the position of the first access; a call would take the register away.
    const runs: { section: string; at: number[] }[] = [];
    let open = new Map<string, { section: string; at: number[] }>();
    block.insts.forEach((inst, at) => {
      if (inst.kind === "call") open = new Map();
      const found = globalOf(inst);
      if (!found) return;
      const run = open.get(found.section) ?? { section: found.section, at: [] };
      if (run.at.length === 0) runs.push(run);
      open.set(found.section, run);
      run.at.push(at);
    });
    const insts: Inst[][] = block.insts.map((inst) => [inst]);
    for (const { at } of runs) {
      const first = block.insts[at[0]!] as Access;
      const base = globalOf(first)!;
      const near = at.filter((index) => Math.abs(globalOf(block.insts[index]!)!.offset - base.offset) < FAR);
      if (near.length < 2) continue;
      const { span } = first;
      const zero = value("w64");
      const address: Value = value("ptr global", base.name);
      for (const index of near) {
        const inst = block.insts[index] as Access;
        const distance = globalOf(inst)!.offset - base.offset;
        insts[index] = [{ ...inst, base: address, offset: inst.offset + distance }];
      }
      insts[at[0]!]!.unshift(
        { kind: "const", result: zero, value: 0n, span },
        { kind: "ptradd", result: address, base: first.base, offset: zero, span },
      );
    }
    return { ...block, insts: insts.flat() };
  };
  return { ...func, blocks: func.blocks.map(share) };
}
