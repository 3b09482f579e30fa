/** Shows that values fit where they are stored and that indices lie in their arrays, or says why not. */
import { report } from "../diagnostics.ts";
import { bitsOf } from "../ir/evaluate.ts";
import type { Func, Inst, Value } from "../ir/ir.ts";
import { mapUses, resolver } from "../ir/walk.ts";
import type { Pass } from "./pass.ts";
import type { Range } from "./range.ts";
import { rangesOf } from "./ranges.ts";

export const prove: Pass = {
  name: "prove",
  why: "Narrowing and indexing are explicit or proven; after inlining and unrolling most proofs are constants.",
  required: true,
  needs: ["calls-decided", "no-loops"],
  makes: ["proved"],
  run: (func, context) => {
    const open = (inst: Inst): boolean => inst.kind === "assume-fits" || inst.kind === "assume-index";
    if (!func.blocks.some((block) => block.insts.some(open))) return func;
    const ranges = rangesOf(func);
    const replaced = new Map<number, Value>();
    const said = new Set<string>();
    const blocks: Func["blocks"] = func.blocks.map((block) => {
      // Nothing to show, and nothing that the verifier need be shown: it might not see that control cannot come here.
      if (!ranges.reachable(block.id) && block.insts.some(open))
        return { ...block, insts: [], end: { kind: "unreachable", span: block.end.span } };
      const insts = block.insts.filter((inst) => {
        if (inst.kind !== "assume-fits" && inst.kind !== "assume-index") return true;
        replaced.set(inst.result.id, inst.value);
        // What the kernel's verifier does not see of an index it is shown later (backend/guard.ts).
        const range = ranges.at(block.id, inst.value);
        if (!holds(inst, range)) {
          // The turns of one loop all say the same.
          const place = `${inst.span.file}:${inst.span.start}-${inst.span.end}`;
          if (!said.has(place)) context.report(complaint(inst, range, context.module.sources[inst.span.file]?.text));
          said.add(place);
        }
        return false;
      });
      return { ...block, insts };
    });
    return mapUses({ ...func, blocks }, resolver(replaced));
  },
};

type Assumption = Extract<Inst, { kind: "assume-fits" | "assume-index" }>;

function holds(inst: Assumption, range: Range): boolean {
  // No value at all: control cannot come here.
  if (range.min > range.max || range.smin > range.smax) return true;
  if (inst.kind === "assume-index") return range.max < BigInt(inst.length);
  return inst.signed
    ? range.smin >= inst.min && range.smax <= inst.max
    : range.min >= inst.min && range.max <= inst.max;
}

/** `x++` and `x += y` have no place for a cast: the same as an assignment, with one. */
function written(source: string, type: string): string | undefined {
  const one = /^(?:(\+\+|--)\s*(.+)|(.+?)\s*(\+\+|--))$/s.exec(source);
  if (one) {
    const place = one[2] ?? one[3]!;
    return `${place} = ${type}(${place} ${(one[1] ?? one[4])![0]} 1)`;
  }
  const compound = /^([\w.[\]()]+)\s*(<<|>>>?|[-+*/%&|^])=(?!=)\s*(.+)$/s.exec(source);
  return compound ? `${compound[1]} = ${type}(${compound[1]} ${compound[2]} ${operand(compound[3]!)})` : undefined;
}
const operand = (text: string): string => (/^[\w.[\]]+$/.test(text) ? text : `(${text})`);

function complaint(inst: Assumption, range: Range, source: string | undefined): ReturnType<typeof report> {
  const text = (min: bigint, max: bigint): string => (min === max ? `${min}` : `${min} to ${max}`);
  if (inst.kind === "assume-index") {
    const found =
      bitsOf(inst.value.type) === 32 && range.max === 0xffff_ffffn && range.smin < 0n && range.smax < 0x7fff_ffffn
        ? text(range.smin, range.smax)
        : text(range.min, range.max);
    return report("index-out-of-range", inst.span, { what: inst.what, length: inst.length, from: found });
  }
  const from = inst.signed ? text(range.smin, range.smax) : text(range.min, range.max);
  const instead = source && written(source.slice(inst.span.start, inst.span.end), inst.what);
  return report("does-not-fit", inst.span, {
    what: inst.what,
    range: text(inst.min, inst.max),
    from,
    ...(instead && instead.length < 100 && !instead.includes("\n") ? { instead } : {}),
  });
}
