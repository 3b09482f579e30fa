/** Algebra on the ends of blocks. */
import type { End, Value } from "../ir/ir.ts";
import { simplifyComparison } from "./comparison-rules.ts";
import { possibleBits, type Facts } from "./facts.ts";

const sameEdge = (a: { block: number; args: readonly Value[] }, b: typeof a): boolean =>
  a.block === b.block && a.args.every((arg, at) => arg.id === b.args[at]!.id);

/** Simplifies a block's end: known conditions become jumps. */
export function simplifyEnd(end: End, facts: Facts): End {
  switch (end.kind) {
    case "branch": {
      let { op, left, right } = end;
      for (let turns = 0; turns < 8; turns++) {
        const found = simplifyComparison(op, left, right, facts);
        if (!found) break;
        if ("known" in found) return { kind: "jump", to: found.known ? end.then : end.else, span: end.span };
        ({ op, left, right } = found);
      }
      if (sameEdge(end.then, end.else)) return { kind: "jump", to: end.then, span: end.span };
      return op === end.op && left === end.left && right === end.right ? end : { ...end, op, left, right };
    }
    case "switch": {
      const constant = facts.constantOf(end.value);
      if (constant !== undefined) {
        const to = end.cases.find((c) => c.value === constant)?.to ?? end.default;
        return { kind: "jump", to, span: end.span };
      }
      const most = possibleBits(end.value, facts);
      const cases = end.cases.filter((c) => !sameEdge(c.to, end.default) && (c.value & ~most) === 0n);
      const [only, second] = cases;
      if (!only) return { kind: "jump", to: end.default, span: end.span };
      if (!second) {
        const right = facts.constant(end.value.type, only.value);
        return { kind: "branch", op: "eq", left: end.value, right, then: only.to, else: end.default, span: end.span };
      }
      return cases.length === end.cases.length ? end : { ...end, cases };
    }
    default:
      return end;
  }
}
