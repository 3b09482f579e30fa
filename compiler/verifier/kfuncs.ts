/** Calls of the kernel's functions: those of objects of this compiler by the table of what it calls itself, of others by the kernel's types. */
import { ITERATORS, kfunc, KFUNCS, type IteratorName, type Kfunc, type KfuncName } from "../bpf/kfuncs.ts";
import { hasCome } from "../bpf/since.ts";
import { newId, regsOf, source, type Env } from "./env.ts";
import { checkIterator, forkNext, type IteratorShape } from "./iterators.ts";
import { callByTypes } from "./kernel-calls.ts";
import { leadsTo, typesOf } from "./kernel-structs.ts";
import { anyOfBytes } from "./scalar.ts";
import { pointer, scalar, typeName, UNINITIALISED, type Reg } from "./state.ts";
import { reject, unsupported } from "./verdict.ts";

const ANY = scalar(anyOfBytes(8));
const shapeOf = (name: IteratorName): IteratorShape => ({ name, bytes: ITERATORS[name].bytes });

/** A call of a function of the kernel. */
export function callKfunc(env: Env): void {
  const { program } = env;
  const name = program.kfuncs?.get(env.insn);
  if (name !== undefined && program.kernel) return callByTypes(env, program.kernel, name);
  if (name === undefined || !Object.hasOwn(KFUNCS, name)) return unsupported("calls of kernel functions (kfuncs)");
  const row: Kfunc = kfunc(name as KfuncName);
  if (!row.kinds) return unsupported(`${name}, a function of the kernel`);
  const there = row.needs === undefined || program.features.has(row.needs);
  if (!there || !hasCome(row.since, program.release) || !row.kinds.includes(program.type))
    return reject("other", `calling kernel function ${name} is not allowed`);
  if (!program.gpl) reject("other", "cannot call kernel function from non-GPL compatible program");
  if (row.ops !== undefined && row.ops !== program.entry?.ops)
    reject("other", `calling kernel function ${name} is not allowed`);
  const first = row.args[0];
  const iterator = typeof first === "object" && "iterator" in first ? first.iterator : undefined;
  for (const [position, wanted] of row.args.entries()) {
    const index = position + 1;
    const reg = source(env, index);
    if (wanted === "number") {
      if (reg.type !== "scalar") reject("helper-arg", `R${index} is not a scalar`, index);
    } else if (typeof wanted !== "object") unsupported(`the arguments of ${name}`);
    else if ("iterator" in wanted) checkIterator(env, row.iterates!, shapeOf(wanted.iterator), index);
    else if (!leadsTo(typesOf(env), reg, wanted.struct)) {
      if (reg.type === "scalar")
        reject(
          "helper-arg",
          `arg#${position} pointer type STRUCT ${wanted.struct} must point to scalar, or struct with scalar`,
          index,
        );
      if (row.ops !== undefined && !reg.nullable && ["ptr_", "fp", "map_value", "ctx"].includes(reg.type))
        reject("helper-arg", `R${index} must be referenced or trusted`, index);
      if (row.ops !== undefined && reg.nullable)
        reject("null-check", `Possibly NULL pointer passed to trusted arg${position}`, index);
      unsupported(`${typeName(reg)} given to ${name}`);
    }
  }
  const regs = regsOf(env);
  const address = regs[1]!;
  regs.fill(UNINITIALISED, 0, 6);
  const result = resultOf(env, name, row);
  if (iterator !== undefined && row.iterates === "next") forkNext(env, shapeOf(iterator), address, result);
  else regs[0] = result;
}

function resultOf(env: Env, name: string, { returns, trusted, nullable, iterates }: Kfunc): Reg {
  if (returns === "void") return UNINITIALISED;
  if (returns === "number" || returns === "boolean") return ANY;
  const struct = trusted ?? (typeof returns === "object" && "struct" in returns ? returns.struct : undefined);
  if (struct === undefined) return unsupported(`what ${name} returns`);
  const maybe = nullable && iterates === undefined ? { nullable, id: newId(env) } : {};
  return pointer(trusted === undefined ? "ptr_" : "trusted_ptr_", { struct, ...maybe });
}
