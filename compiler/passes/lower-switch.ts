/**
 * A switch becomes comparisons one after another: one slot per case, which is the fewest there can be. Cases exclude each other,
 * so the order is free: on the event's number, what happens with every segment is asked first.
 */
import { SOCK_OPS_EVENTS, SOCK_OPS_FIELDS, type SockOpsEvent } from "../bpf/kinds/sock-ops.ts";
import type { Block, Edge, End, Func, Value } from "../ir/ir.ts";
import { contextType } from "../ir/types.ts";
import { definitions, freshBlocks, freshValues } from "../ir/walk.ts";
import type { Pass } from "./pass.ts";

export const lowerSwitch: Pass = {
  name: "lower-switch",
  why: "The instruction set has no jump table.",
  required: true,
  makes: ["no-switches"],
  run: lowerSwitches,
};

const SOCK_OPS = contextType("sock_ops");

type Cases = Extract<End, { kind: "switch" }>["cases"];

const EVERY_SEGMENT: ReadonlySet<bigint> = new Set(
  Object.values<SockOpsEvent>(SOCK_OPS_EVENTS).flatMap((event) => (event.everySegment ? [BigInt(event.op)] : [])),
);

export function lowerSwitches(func: Func): Func {
  if (!func.blocks.some((block) => block.end.kind === "switch")) return func;
  const made = definitions(func);
  const isEvent = (value: Value): boolean => {
    const inst = made.get(value.id);
    return inst?.kind === "load" && inst.base.type === SOCK_OPS && inst.offset === SOCK_OPS_FIELDS.op.offset;
  };
  const inOrder = (end: Extract<End, { kind: "switch" }>): Cases => {
    if (!isEvent(end.value)) return end.cases;
    const often = (one: Cases[number]): boolean => EVERY_SEGMENT.has(one.value);
    return [...end.cases.filter(often), ...end.cases.filter((one) => !often(one))];
  };
  const blockId = freshBlocks(func);
  const value = freshValues(func);
  const blocks = func.blocks.flatMap((block): Block[] => {
    const { end } = block;
    if (end.kind !== "switch") return [block];
    const { span } = end;
    const made: Block[] = [];
    let head: Block = block;
    const cases = inOrder(end);
    cases.forEach((chosen, at) => {
      const right: Value = value(end.value.type);
      const last = at === cases.length - 1;
      const next: Edge = last ? end.default : { block: blockId(), args: [] };
      made.push({
        ...head,
        insts: [...head.insts, { kind: "const", result: right, value: chosen.value, span }],
        end: { kind: "branch", op: "eq", left: end.value, right, then: chosen.to, else: next, span },
      });
      head = { id: next.block, params: [], insts: [], end };
    });
    return made.length > 0 ? made : [{ ...block, end: { kind: "jump", to: end.default, span } }];
  });
  return { ...func, blocks };
}
