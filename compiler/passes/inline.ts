/** Puts functions in the place of their calls. */
import type { Block, Edge, Func, Inst, Value } from "../ir/ir.ts";
import { throughCall } from "../ir/expansion.ts";
import { freshBlocks, freshValues, mapEnd, mapOperands, mapUses, resolver, resultOf, withResult } from "../ir/walk.ts";
import type { Pass, PassContext } from "./pass.ts";

export const inline: Pass = {
  name: "inline",
  why: "A program is one function: calls would cost stack and registers, and the verifier checks each callee's frame apart.",
  required: true,
  run: (func, context) => inlineInto(func, context, 0),
};

/** The frontend rejects recursion; this bound only keeps a wrong IR file from hanging the compiler. */
const MAX_DEPTH = 64;
/** Copies beyond this many instructions per allowed slot cannot fit and stop the work. */
const GROWTH = 16;

function inlineInto(func: Func, context: PassContext, depth: number): Func {
  let open = func.blocks.some((block) => block.insts.some((inst) => inst.kind === "invoke"));
  if (!open) return func;
  const ready = new Map<string, Func>();
  const value = freshValues(func);
  const blockId = freshBlocks(func);
  const done: Block[] = [];
  const replaced = new Map<number, Value>();
  let size = 0;

  for (const block of func.blocks) {
    let head: Omit<Block, "end" | "insts"> = block;
    let insts: Inst[] = [];
    for (const inst of block.insts) {
      if (inst.kind !== "invoke" || depth >= MAX_DEPTH || size > GROWTH * context.maxInsns) {
        insts.push(inst);
        continue;
      }
      let callee = ready.get(inst.func);
      if (!callee) {
        const found = context.module.functions.find((f) => f.name === inst.func);
        if (!found) {
          insts.push(inst);
          continue;
        }
        callee = inlineInto(found, context, depth + 1);
        ready.set(inst.func, callee);
      }
      const returned = inst.result ? value(inst.result.type, inst.result.name) : undefined;
      const rest: Omit<Block, "end" | "insts"> = { id: blockId(), params: returned ? [returned] : [] };
      const copy = copyBody(callee, inst, throughCall(inst.span, inst.func), value, blockId, rest.id);
      done.push(
        { ...head, insts, end: { kind: "jump", to: { block: copy[0]!.id, args: [] }, span: inst.span } },
        ...copy,
      );
      size += copy.reduce((sum, b) => sum + b.insts.length + 1, 0);
      if (inst.result && returned) replaced.set(inst.result.id, returned);
      head = rest;
      insts = [];
    }
    done.push({ ...head, insts, end: block.end });
  }
  open = replaced.size > 0;
  const joined = { ...func, blocks: done };
  return open ? mapUses(joined, resolver(replaced)) : joined;
}

/** The callee's blocks with new names; its returns jump to `after`. */
function copyBody(
  callee: Func,
  call: Extract<Inst, { kind: "invoke" }>,
  mark: (span: Func["span"]) => Func["span"],
  value: ReturnType<typeof freshValues>,
  blockId: () => number,
  after: number,
): Block[] {
  const values = new Map<number, Value>(callee.params.map((param, at) => [param.id, call.args[at]!]));
  const blocks = new Map(callee.blocks.map((block) => [block.id, blockId()]));
  const define = (old: Value): Value => {
    const made = value(old.type, old.name);
    values.set(old.id, made);
    return made;
  };
  for (const block of callee.blocks) {
    block.params.forEach(define);
    for (const inst of block.insts) {
      const result = resultOf(inst);
      if (result) define(result);
    }
  }
  const map = (old: Value): Value => values.get(old.id) ?? old;
  const edge = (e: Edge): Edge => ({ block: blocks.get(e.block)!, args: e.args.map(map) });
  return callee.blocks.map((block) => ({
    id: blocks.get(block.id)!,
    params: block.params.map(map),
    insts: block.insts.map((inst) => {
      const result = resultOf(inst);
      const moved = mapOperands(inst, map);
      return { ...(result ? withResult(moved, map(result)) : moved), span: mark(inst.span) };
    }),
    end:
      block.end.kind === "return"
        ? {
            kind: "jump",
            to: { block: after, args: call.result && block.end.value ? [map(block.end.value)] : [] },
            span: mark(block.end.span),
          }
        : { ...mapEnd(block.end, map, edge), span: mark(block.end.span) },
    ...(block.loop ? { loop: mark(block.loop) } : {}),
  }));
}
