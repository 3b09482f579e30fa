/** Puts functions in the place of their calls. */
import { report } from "../diagnostics.ts";
import {
  isFunctionCall,
  type Block,
  type Edge,
  type Func,
  type FunctionCall,
  type Inst,
  type Value,
} from "../ir/ir.ts";
import { callsOf } from "../ir/calls.ts";
import { throughCall } from "../ir/expansion.ts";
import { freshBlocks, freshValues, mapEnd, mapOperands, mapUses, resolver, resultOf, withResult } from "../ir/walk.ts";
import type { Pass } from "./pass.ts";

export const inline: Pass = {
  name: "inline",
  why: "A call costs stack and registers, and what is known of its arguments; few functions are worth it.",
  required: true,
  makes: ["calls-decided"],
  run(func, context) {
    const inPlace = context.module.functions.filter(({ name }) => !context.kept.has(name));
    const functions = new Map(inPlace.map((one) => [one.name, one]));
    const sizes = sizesOf(func, functions);
    const size = sizes.get(func)!;
    if (size > GROWTH * context.maxInsns) {
      const { call, chain } = heaviest(func, functions, sizes);
      context.report(report("calls-too-large", call.span, { chain, size, limit: context.maxInsns }));
      return func;
    }
    return inlineInto(func, functions, new Map());
  },
};

type Functions = ReadonlyMap<string, Func>;

/** Copied instructions per allowed slot, as for loops: folding and dead code take away much of the copy, but not more than this. */
const GROWTH = 8;

/** Instructions of each function once all calls are put in place; a number that grows too large to be exact is still large. */
function sizesOf(func: Func, functions: Functions): Map<Func, number> {
  const sizes = new Map<Func, number>();
  const open = new Set<Func>();
  const measure = (one: Func): number => {
    const known = sizes.get(one);
    if (known !== undefined) return known;
    if (open.has(one)) throw new Error(`${one.name} calls itself`); // the frontend rejects recursion
    open.add(one);
    let size = one.blocks.reduce((sum, block) => sum + block.insts.length + 1, 0);
    for (const call of callsOf(one)) {
      const callee = functions.get(call.target.name);
      if (callee) size += measure(callee);
    }
    open.delete(one);
    sizes.set(one, size);
    return size;
  };
  measure(func);
  return sizes;
}

/** The call of a program that grows most, and the names of the functions through which it does. */
function heaviest(
  program: Func,
  functions: Functions,
  sizes: ReadonlyMap<Func, number>,
): { call: FunctionCall; chain: readonly string[] } {
  const chain = [program.name];
  let first: FunctionCall | undefined;
  for (let at = program; ;) {
    const totals = new Map<string, { call: FunctionCall; callee: Func; size: number }>();
    for (const call of callsOf(at)) {
      const callee = functions.get(call.target.name);
      if (!callee) continue;
      const known = totals.get(call.target.name);
      totals.set(call.target.name, {
        call: known?.call ?? call,
        callee,
        size: (known?.size ?? 0) + sizes.get(callee)!,
      });
    }
    const largest = [...totals.values()].reduce<{ call: FunctionCall; callee: Func; size: number } | undefined>(
      (best, one) => (best && best.size >= one.size ? best : one),
      undefined,
    );
    if (!largest) return { call: first!, chain };
    first ??= largest.call;
    chain.push(largest.callee.name);
    at = largest.callee;
  }
}

function inlineInto(func: Func, functions: Functions, ready: Map<string, Func>): Func {
  let open = callsOf(func).length > 0;
  if (!open) return func;
  const value = freshValues(func);
  const blockId = freshBlocks(func);
  const done: Block[] = [];
  const replaced = new Map<number, Value>();

  for (const block of func.blocks) {
    let head: Omit<Block, "end" | "insts"> = block;
    let insts: Inst[] = [];
    for (const inst of block.insts) {
      if (!isFunctionCall(inst)) {
        insts.push(inst);
        continue;
      }
      let callee = ready.get(inst.target.name);
      if (!callee) {
        const found = functions.get(inst.target.name);
        if (!found) {
          insts.push(inst);
          continue;
        }
        callee = inlineInto(found, functions, ready);
        ready.set(inst.target.name, callee);
      }
      const returned = inst.result ? value(inst.result.type, inst.result.name) : undefined;
      const rest: Omit<Block, "end" | "insts"> = { id: blockId(), params: returned ? [returned] : [] };
      const copy = copyBody(callee, inst, throughCall(inst.span, inst.target.name), value, blockId, rest.id);
      done.push(
        { ...head, insts, end: { kind: "jump", to: { block: copy[0]!.id, args: [] }, span: inst.span } },
        ...copy,
      );
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
  call: FunctionCall,
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
