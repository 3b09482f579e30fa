/** Functions that stay functions: which ones can, and what they are given and give back. */
import { callersFirst, callsOf } from "../ir/calls.ts";
import { isFunctionCall, type Func, type IrModule, type Type, type Value } from "../ir/ir.ts";
import { ANY_POINTER, either } from "../ir/types.ts";
import { definitions, visitUses } from "../ir/walk.ts";
import { MAX_FRAMES, MAX_REG_ARGUMENTS } from "../bpf/limits.ts";
import { sharpen, type Signature } from "./sharpen.ts";

/**
 * A module in which only functions that stay are left, with types of what they are really given, and without what they do not read;
 * and the names of those that cannot stay: with too many arguments or too deep in calls, or giving back what may be a stack variable.
 */
export function settleFunctions(module: IrModule): { readonly module: IrModule; readonly unfit: ReadonlySet<string> } {
  const order = callersFirst(module);
  const trimmed = withoutUnread({ ...module, functions: order });
  const typed = withTypes(trimmed);
  const depths = new Map<string, number>();
  const unfit = new Set<string>();
  const deepen = (func: Func, depth: number): void => {
    for (const { target } of callsOf(func)) depths.set(target.name, Math.max(depths.get(target.name) ?? 0, depth + 1));
  };
  for (const { func } of typed.programs) deepen(func, 1);
  for (const func of typed.functions) {
    deepen(func, depths.get(func.name)!);
    const escapes = func.returns === "ptr slot" || func.returns === ANY_POINTER;
    if (func.params.length > MAX_REG_ARGUMENTS || depths.get(func.name)! > MAX_FRAMES || escapes) unfit.add(func.name);
  }
  return { module: typed, unfit };
}

/** Parameters that a function does not read are not passed. */
function withoutUnread(module: IrModule): IrModule {
  const read = new Map(
    module.functions.map((func) => {
      const used = new Set<number>();
      for (const block of func.blocks) visitUses(block, ({ id }) => void used.add(id));
      return [func.name, func.params.map(({ id }) => used.has(id))] as const;
    }),
  );
  const calls = (func: Func): Func => ({
    ...func,
    blocks: func.blocks.map((block) => ({
      ...block,
      insts: block.insts.map((inst) => {
        const kept = isFunctionCall(inst) ? read.get(inst.target.name) : undefined;
        return isFunctionCall(inst) && kept ? { ...inst, args: inst.args.filter((_, at) => kept[at]) } : inst;
      }),
    })),
  });
  return {
    ...module,
    functions: module.functions.map((func) => ({
      ...calls(func),
      params: func.params.filter((_, at) => read.get(func.name)![at]),
    })),
    programs: module.programs.map((program) => ({ ...program, func: calls(program.func) })),
  };
}

function withTypes(module: IrModule): IrModule {
  const ownTypes = (func: Func): readonly Type[] => func.params.map(({ type }) => type);
  // What they give back, those first that call nothing.
  const returns = new Map<string, Type | undefined>();
  const result = (name: string): Signature | undefined =>
    returns.has(name) ? { params: [], returns: returns.get(name) } : undefined;
  for (const func of [...module.functions].reverse())
    returns.set(func.name, sharpen(func, ownTypes(func), result).returns);
  // What they are given, callers first; then, null pointers in the types that are wanted.
  const given = new Map<string, (Type | undefined)[]>();
  const note = (func: Func): Func => {
    const made = definitions(func);
    const isNull = (value: Value): boolean => made.get(value.id)?.kind === "const";
    for (const { target, args } of callsOf(func)) {
      const types = given.get(target.name) ?? [];
      given.set(target.name, types);
      args.forEach((arg, at) => {
        const before = types[at];
        if (!isNull(arg)) types[at] = before === undefined ? arg.type : (either(before, arg.type) ?? before);
      });
    }
    return func;
  };
  const types = (func: Func): readonly Type[] => func.params.map(({ type }, at) => given.get(func.name)?.[at] ?? type);
  const programs = module.programs.map(({ func, ...rest }) => ({
    ...rest,
    func: note(sharpen(func, ownTypes(func), result)),
  }));
  const functions = module.functions.map((func) => note(sharpen(func, types(func), result)));
  const signatures = new Map(
    functions.map((func) => [func.name, { params: types(func), returns: func.returns }] as const),
  );
  const settled = (func: Func): Func => sharpen(func, ownTypes(func), (name) => signatures.get(name));
  return {
    ...module,
    functions: functions.map(settled),
    programs: programs.map(({ func, ...rest }) => ({ ...rest, func: settled(func) })),
  };
}
