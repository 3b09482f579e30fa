/**
 * The invariants of the IR. Tests run this after every pass; a message here is a bug in the pass before.
 *
 * - Values and blocks have unique ids; the entry has neither parameters nor predecessors.
 * - Every use in a reachable block is dominated by its definition, and edges pass one argument of the right type per parameter.
 * - Operands have the types of their operator; accesses of 1, 2 and 4 bytes are w32, of 8 bytes w64 or a pointer.
 * - A pointer's type says what it leads to, as the context, the helper or the variable that it comes from does; where only
 *   some pointer is wanted (`ptr any`) every one fits.
 * - Names of functions, maps and globals exist. After `unroll` there is no back edge, after `inline` no call of a function.
 */
import { dominance, graphOf } from "./graph.ts";
import { comparable, wrongName, wrongType } from "./check-types.ts";
import { edges, type Block, type Edge, type Func, type IrModule, type Type, type Value } from "./ir.ts";
import { printEnd, printInst } from "./print.ts";
import { contextType, fits } from "./types.ts";
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
    const signature =
      context?.type === contextType(program.type) &&
      more.length === 0 &&
      (program.func.returns === "w32" || (program.implements !== undefined && program.func.returns === undefined));
    return [
      ...(signature ? [] : [`${program.func.name}: a program takes ${contextType(program.type)} and returns w32`]),
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
      const wrong = wrongType(inst) ?? wrongName(inst, module, options.inlined === true);
      if (wrong) say(block, `${wrong}, in ${printInst(inst)}`);
    });
    const last = block.insts.length;
    endOperands(block.end).forEach((value) => use(value, last, printEnd(block.end)));
    for (const edge of edges(block.end)) checkEdge(edge, block, graph.block.get(edge.block)!);
    if (block.end.kind === "branch" && !comparable(block.end.left, block.end.right))
      say(block, `types differ in ${printEnd(block.end)}`);
    if (block.end.kind === "return" && !returns(block.end.value, func.returns))
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
        if (!fits(arg.type, to.params[index]!.type))
          say(from, `passes ${arg.type} for %${to.params[index]!.id} of b${to.id}`);
      });
    }
  }
  return problems;
}

const returns = (value: Value | undefined, type: Type | undefined): boolean =>
  value === undefined || type === undefined ? value === type : fits(value.type, type);
