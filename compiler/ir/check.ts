/**
 * The invariants of the IR. Tests run this after every pass; a message here is a bug in the pass before.
 *
 * - Values and blocks have unique ids; the entry has neither parameters nor predecessors.
 * - Every use in a reachable block is dominated by its definition, and edges pass one argument of the right type per parameter.
 * - Operands have the types of their operator; accesses of 1, 2 and 4 bytes are w32, of 8 bytes w64 or ptr.
 * - Names of functions, maps and globals exist. After `unroll` there is no back edge, after `inline` no call of a function.
 */
import { HELPERS } from "../bpf/helpers.ts";
import { dominance, graphOf } from "./graph.ts";
import { edges, type Block, type Edge, type Func, type Inst, type IrModule, type Type, type Value } from "./ir.ts";
import { printEnd, printInst } from "./print.ts";
import { endOperands, operands, resultOf } from "./walk.ts";

export interface CheckOptions {
  /** Back edges are an error too. */
  readonly acyclic?: boolean;
  /** Calls of module functions are an error too. */
  readonly inlined?: boolean;
}

/** What is wrong with the module, one sentence each; empty when nothing is. */
export function checkModule(module: IrModule, options: CheckOptions = {}): string[] {
  const programs = module.programs.flatMap((program) => {
    const [context, ...more] = program.func.params;
    const signature = context?.type === "ptr" && more.length === 0 && program.func.returns === "w32";
    return [
      ...(signature ? [] : [`${program.func.name}: a program takes the context pointer and returns w32`]),
      ...checkFunc(program.func, module, options),
    ];
  });
  return [...module.functions.flatMap((func) => checkFunc(func, module, options)), ...programs];
}

function checkFunc(func: Func, module: IrModule, options: CheckOptions): string[] {
  const problems: string[] = [];
  const say = (block: Block | undefined, text: string): void =>
    void problems.push(`${func.name}${block ? ` b${block.id}` : ""}: ${text}`);
  const entry = func.blocks[0];
  if (!entry) return [`${func.name}: no blocks`];

  const home = new Map<number, { block: number; at: number; type: Type }>();
  const define = (value: Value, block: number, at: number): void => {
    if (home.has(value.id)) say(undefined, `%${value.id} is defined twice`);
    home.set(value.id, { block, at, type: value.type });
  };
  func.params.forEach((param) => define(param, entry.id, -1));
  const ids = new Set<number>();
  for (const block of func.blocks) {
    if (ids.has(block.id)) say(block, "two blocks have this id");
    ids.add(block.id);
    block.params.forEach((param) => define(param, block.id, -1));
    block.insts.forEach((inst, at) => {
      const result = resultOf(inst);
      if (result) define(result, block.id, at);
    });
  }
  if (entry.params.length > 0) say(entry, "the entry has parameters");

  for (const block of func.blocks)
    for (const edge of edges(block.end))
      if (!ids.has(edge.block)) say(block, `jumps to b${edge.block}, which does not exist`);
  if (problems.length > 0) return problems;

  const graph = graphOf(func);
  const dominates = dominance(graph);
  if (graph.predecessors.get(entry.id)!.length > 0) say(entry, "the entry has predecessors");
  for (const block of graph.order) {
    const use = (value: Value, at: number, where: string): void => {
      const found = home.get(value.id);
      if (!found) return say(block, `%${value.id} is not defined, in ${where}`);
      if (found.type !== value.type) say(block, `%${value.id} is ${found.type}, read as ${value.type} in ${where}`);
      const fine =
        graph.position.has(found.block) &&
        (found.block === block.id ? found.at < at : dominates(found.block, block.id));
      if (!fine) say(block, `%${value.id} does not reach its use in ${where}`);
    };
    block.insts.forEach((inst, at) => {
      operands(inst).forEach((value) => use(value, at, printInst(inst)));
      const wrong = wrongType(inst) ?? wrongName(inst, module, options);
      if (wrong) say(block, `${wrong}, in ${printInst(inst)}`);
    });
    const last = block.insts.length;
    endOperands(block.end).forEach((value) => use(value, last, printEnd(block.end)));
    for (const edge of edges(block.end)) checkEdge(edge, block, graph.block.get(edge.block)!);
    if (block.end.kind === "branch" && block.end.left.type !== block.end.right.type)
      say(block, `types differ in ${printEnd(block.end)}`);
    if (block.end.kind === "return" && block.end.value?.type !== func.returns)
      say(block, `returns ${block.end.value?.type}, not ${func.returns}`);
    if (options.acyclic)
      for (const edge of edges(block.end))
        if (graph.position.get(edge.block)! <= graph.position.get(block.id)!)
          say(block, `jumps back to b${edge.block}`);

    function checkEdge(edge: Edge, from: Block, to: Block): void {
      if (edge.args.length !== to.params.length)
        return say(from, `passes ${edge.args.length} of ${to.params.length} arguments to b${to.id}`);
      edge.args.forEach((arg, index) => {
        use(arg, last, `the edge to b${to.id}`);
        if (arg.type !== to.params[index]!.type)
          say(from, `passes ${arg.type} for %${to.params[index]!.id} of b${to.id}`);
      });
    }
  }
  return problems;
}

const width = (type: Type): bigint => (type === "w32" ? 32n : 64n);

function wrongType(inst: Inst): string | undefined {
  const is = (value: Value, ...types: Type[]): boolean => types.includes(value.type);
  switch (inst.kind) {
    case "const":
      return inst.value < 0n || inst.value >= 1n << width(inst.result.type)
        ? "the constant does not fit its type"
        : undefined;
    case "binary":
      return inst.left.type === inst.right.type && inst.left.type === inst.result.type && !is(inst.result, "ptr")
        ? undefined
        : "operands and result must have one integer type";
    case "compare":
      return inst.left.type === inst.right.type && is(inst.result, "w32")
        ? undefined
        : "a comparison takes one type and gives w32";
    case "unary": {
      const [from, to] =
        inst.op === "trunc"
          ? ["w64", "w32"]
          : inst.op === "zext" || inst.op === "sext"
            ? ["w32", "w64"]
            : [inst.value.type, inst.value.type];
      const fits = inst.op !== "bswap64" || is(inst.value, "w64");
      return inst.value.type === from && inst.result.type === to && !is(inst.result, "ptr") && fits
        ? undefined
        : "wrong operand or result type";
    }
    case "slot":
    case "global":
    case "map":
      return is(inst.result, "ptr") ? undefined : "the result must be ptr";
    case "ptradd":
      return is(inst.result, "ptr") && is(inst.base, "ptr") && is(inst.offset, "w64")
        ? undefined
        : "ptradd takes ptr and w64";
    case "load":
      return is(inst.base, "ptr") && (inst.bytes === 8 ? is(inst.result, "w64", "ptr") : is(inst.result, "w32"))
        ? undefined
        : "wrong type for this size";
    case "store":
      return is(inst.base, "ptr") && (inst.bytes === 8 ? is(inst.value, "w64", "ptr") : is(inst.value, "w32"))
        ? undefined
        : "wrong type for this size";
    case "zero":
      return is(inst.base, "ptr") && inst.bytes >= 0 ? undefined : "zero takes a ptr";
    case "copy":
      return is(inst.to, "ptr") && is(inst.from, "ptr") && inst.bytes >= 0 ? undefined : "copy takes pointers";
    case "atomic": {
      const type: Type = inst.bytes === 8 ? "w64" : "w32";
      const values = [inst.value, inst.expected, inst.result].filter((value) => value !== undefined);
      return is(inst.base, "ptr") &&
        values.every((value) => is(value, type)) &&
        (inst.op === "cmpxchg") === (inst.expected !== undefined)
        ? undefined
        : "wrong operands of an atomic";
    }
    case "assume-fits":
    case "assume-index":
      return inst.value.type === inst.result.type && !is(inst.result, "ptr")
        ? undefined
        : "value and result must have one integer type";
    case "call":
      return inst.target.kind === "helper" && inst.args.length > 5 ? "a helper takes at most 5 arguments" : undefined;
  }
}

function wrongName(inst: Inst, module: IrModule, options: CheckOptions): string | undefined {
  switch (inst.kind) {
    case "global":
      return module.globals.some((g) => g.name === inst.name) ? undefined : "unknown global";
    case "map":
      return module.maps.some((m) => m.name === inst.name) ? undefined : "unknown map";
    case "call": {
      const { target } = inst;
      if (target.kind === "helper") return Object.hasOwn(HELPERS, target.name) ? undefined : "unknown helper";
      if (options.inlined) return "a call is left after inlining";
      const callee = module.functions.find((f) => f.name === target.name);
      if (!callee) return "unknown function";
      const same =
        callee.params.length === inst.args.length && callee.params.every((p, at) => p.type === inst.args[at]!.type);
      return same && (!inst.result || inst.result.type === callee.returns)
        ? undefined
        : "arguments do not match the function";
    }
    default:
      return undefined;
  }
}
