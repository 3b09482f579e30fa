/**
 * Calls of the kernel's functions (kfuncs) by what its BTF says of their arguments (kernel/bpf/verifier.c: check_kfunc_args, check_kfunc_call). Objects
 * of this compiler are judged by the table of what it calls itself (kernel-structs.ts). What is not known here is not judged.
 */
import { kernelCall, type CallFlag, type KernelCall } from "../bpf/kernel-calls.ts";
import type { FunctionType, KernelFunction, WholeKernel } from "../bpf/whole-kernel.ts";
import { MAX_REG_ARGUMENTS } from "../bpf/limits.ts";
import { hasCome } from "../bpf/since.ts";
import { checkMemory } from "./arguments.ts";
import { hasFlag, inRcu, INVALIDATED, newId, regsOf, source, type Env } from "./env.ts";
import { checkIterator, forkNext, type Iterates, type IteratorShape } from "./iterators.ts";
import { anyOfBytes, isKnown, isZero } from "./scalar.ts";
import { isNull, isStructPointer, pointer, replaceRegs, scalar, typeName, UNINITIALISED, type Reg } from "./state.ts";
import { reject, unsupported } from "./verdict.ts";

const ANY = scalar(anyOfBytes(8));

/** Ends of parameters' names that say more of them than their types (Documentation/bpf/kfuncs.rst), and are not known here. */
const TELLING = /__(szk?|alloc|refcounted_kptr|opt|str|uninit|const_map|map|prog|irq_flag|arena|impl)$/;
/** Structs that programs have in their own memory, with rules of their own. */
const OWN_STRUCTS =
  /^bpf_(dynptr|dynptr_kern|list_head|list_node|rb_root|rb_node|wq|refcount|res_spin_lock|task_work|timer)$|^(__sk_buff|xdp_md|sk_buff|xdp_buff)$/;

/** What iterators are among the functions of this program's, by the call; undefined for other calls. */
export function iterates(kernel: WholeKernel | undefined, name: string): Iterates | undefined {
  const flags = kernel && kernelCall(name)?.flags;
  if (!flags) return undefined;
  if (flags.includes("iter-new")) return "new";
  if (flags.includes("iter-next")) return "next";
  return flags.includes("iter-destroy") ? "destroy" : undefined;
}

/** A call of a function by its name. */
export function callByTypes(env: Env, kernel: WholeKernel, name: string): void {
  const call = kernelCall(name);
  const found = kernel.function(name);
  if (!call || !found) return unsupported(`${name}, a function of the kernel`);
  // No kernel has such a function for programs.
  if (found.params.length > MAX_REG_ARGUMENTS)
    return unsupported(`${name}, a function of ${found.params.length} arguments`);
  const { program } = env;
  const { flags } = call;
  const kind = iterates(kernel, name);
  checkAllowed(env, name, call);
  enterOrLeave(env, name);
  if (flags.includes("rcu-protected") && !inRcu(env)) reject("iterator", `expected an RCU CS when using ${name}`);
  if (!program.gpl) reject("other", "cannot call kernel function from non-GPL compatible program");
  let released = 0;
  let shape: IteratorShape | undefined;
  found.params.forEach((param, position) => {
    if (param.name.endsWith("__ign")) return;
    const index = position + 1;
    const reg = source(env, index);
    if (param.type.kind === "number") return checkNumber(env, param.name, reg, index);
    if (kind !== undefined && position === 0) {
      shape = shapeOf(param.type);
      checkIterator(env, kind, shape, index, flags.includes("rcu-protected"));
      return;
    }
    if (TELLING.test(param.name)) unsupported(`${param.name} of ${name}`);
    const given = checkPointer(env, kernel, name, flags, found, position, reg);
    if (given !== 0 && flags.includes("release")) released = given;
  });
  if (flags.includes("release") && released === 0)
    reject("ref-leak", `release kernel function ${name} expects refcounted PTR_TO_BTF_ID`);
  if (released !== 0) {
    env.state.references = env.state.references.filter(({ id }) => id !== released);
    replaceRegs(env.state, (reg) => (reg.ref === released ? INVALIDATED : reg));
  }
  const regs = regsOf(env);
  const address = regs[1]!;
  regs.fill(UNINITIALISED, 0, 6);
  const made = resultOf(env, name, flags, found.returns, kind, address);
  if (kind === "next") forkNext(env, shape!, address, made);
  else regs[0] = made;
}

function checkAllowed(env: Env, name: string, call: KernelCall): void {
  const { program } = env;
  const there = call.needs === undefined || program.features.has(call.needs);
  const kind = call.kinds === undefined || call.kinds.includes(program.type);
  const ops = call.ops === undefined || call.ops === program.entry?.ops;
  if (!there || !kind || !ops || !hasCome(call.since, program.release))
    reject("other", `calling kernel function ${name} is not allowed`);
  if (!call.flags.includes("sleepable")) return;
  if (!hasFlag(env, "sleepable")) reject("other", `program must be sleepable to call sleepable kfunc ${name}`);
  if (env.state.inRcu) reject("other", `kernel func ${name} is sleepable within rcu_read_lock region`);
  if (env.state.preempt > 0) reject("other", `kernel func ${name} is sleepable within non-preemptible region`);
}

/** Sections that a program enters and leaves: an RCU section, and one that nothing else interrupts. */
function enterOrLeave(env: Env, name: string): void {
  const { state } = env;
  switch (name) {
    case "bpf_rcu_read_lock":
      if (state.inRcu) unsupported("RCU sections in RCU sections");
      state.inRcu = true;
      return;
    case "bpf_rcu_read_unlock":
      if (!state.inRcu) reject("other", `unmatched rcu read unlock (kernel function ${name})`);
      state.inRcu = false;
      // What it kept alive may be gone, and iterators over it are of no use.
      replaceRegs(state, (reg) => {
        if (reg.type === "iter" && reg.range === 1) unsupported("iterators beyond their RCU section");
        return reg.type === "rcu_ptr_" ? { ...reg, type: "untrusted_ptr_", nullable: false } : reg;
      });
      return;
    case "bpf_preempt_disable":
      state.preempt++;
      return;
    case "bpf_preempt_enable":
      if (state.preempt === 0) reject("other", `unmatched attempt to enable preemption (kernel function ${name})`);
      state.preempt--;
      return;
  }
}

function checkNumber(env: Env, parameter: string, reg: Reg, index: number): void {
  if (reg.type !== "scalar") reject("helper-arg", `R${index} is not a scalar`, index);
  if (TELLING.test(parameter)) unsupported(`${parameter}, an argument with a rule of its own`);
  if (!parameter.endsWith("__k")) return;
  if (!isKnown(reg.value)) reject("helper-arg", `R${index} must be a known constant`, index);
  env.flow.demandRegister(env, index);
}

function shapeOf(type: FunctionType): IteratorShape {
  if (type.kind !== "struct" || !type.name.startsWith("bpf_iter_")) return unsupported("an iterator of another kind");
  return { name: type.name.slice("bpf_iter_".length), bytes: type.bytes };
}

/** Checks a pointer; gives the reference that it holds. */
function checkPointer(
  env: Env,
  kernel: WholeKernel,
  name: string,
  flags: readonly CallFlag[],
  { params }: KernelFunction,
  position: number,
  reg: Reg,
): number {
  const index = position + 1;
  const { type } = params[position]!;
  if (type.kind === "struct" && OWN_STRUCTS.test(type.name)) unsupported(`${type.name}, which ${name} takes`);
  if (/__szk?$/.test(params[position + 1]?.name ?? "")) unsupported(`memory of a length that ${name} is given`);
  const strict = flags.includes("trusted") || flags.includes("rcu");
  if (params[position]!.name.endsWith("__nullable") && isNull(reg)) return 0;
  if (strict && (isNull(reg) || reg.nullable))
    reject("null-check", `Possibly NULL pointer passed to trusted arg${position}`, index);
  if (!isStructPointer(reg)) return checkPlainMemory(env, name, type, reg, position);
  if (type.kind !== "struct")
    reject("helper-arg", `kernel function ${name} args#${position} is no pointer to a struct`, index);
  if (reg.struct === undefined) unsupported("pointers to structures that are not known here");
  const trusted = reg.type === "trusted_ptr_" || (reg.ref !== 0 && reg.type === "ptr_");
  if (strict && !trusted) {
    if (flags.includes("trusted") && !flags.includes("rcu"))
      reject("helper-arg", `R${index} must be referenced or trusted`, index);
    if (reg.type !== "rcu_ptr_") reject("helper-arg", `R${index} must be a rcu pointer`, index);
  }
  const releases = flags.includes("release") && reg.ref !== 0;
  if (releases && reg.off !== 0)
    reject("helper-arg", `R${index} must have zero offset when passed to release func or trusted arg to kfunc`, index);
  if (reg.off < 0)
    reject("helper-arg", `negative offset ${typeName(reg)} ptr R${index} off=${reg.off} disallowed`, index);
  if (!isKnown(reg.value) || !isZero(reg.value))
    reject("helper-arg", `variable ${typeName(reg)} access disallowed`, index);
  if (reg.type === "untrusted_ptr_" || reg.nullable)
    reject("helper-arg", `arg#${position} is ${typeName(reg)} expected trusted_ptr_ or socket`, index);
  const fits = releases ? reg.struct === type.name && reg.off === 0 : kernel.liesAt(reg.struct, reg.off, type.name);
  if (!fits)
    reject(
      "helper-arg",
      `kernel function ${name} args#${position} expected pointer to STRUCT ${type.name} but R${index} has a pointer to STRUCT ${reg.struct}`,
      index,
    );
  return reg.ref;
}

/** Memory of the program's for a pointer to numbers. */
function checkPlainMemory(env: Env, name: string, type: FunctionType, reg: Reg, position: number): number {
  const index = position + 1;
  const memory = type.kind === "memory" || (type.kind === "struct" && type.numbers);
  if (!memory) {
    if (["sock", "sock_common", "tcp_sock", "xdp_sock", "ctx", "map_ptr"].includes(reg.type) || type.kind === "other")
      unsupported(`${typeName(reg)} given to ${name}`);
    const what = type.kind === "struct" ? `STRUCT ${type.name}` : "UNKNOWN ";
    reject("helper-arg", `arg#${position} pointer type ${what} must point to scalar, or struct with scalar`, index);
  }
  if (type.bytes === 0) unsupported(`void memory given to ${name}`);
  if (isNull(reg) || reg.nullable) unsupported(`memory that may be missing, given to ${name}`);
  checkMemory(env, index, type.bytes, { access: "read", raw: false }, false, undefined);
  checkMemory(env, index, type.bytes, { access: "write", raw: false }, false, undefined);
  return reg.ref;
}

function resultOf(
  env: Env,
  name: string,
  flags: readonly CallFlag[],
  type: FunctionType,
  kind: Iterates | undefined,
  address: Reg,
): Reg {
  // A turn's element is known to be there where the loop goes on.
  const maybe = flags.includes("ret-null") && kind !== "next" ? { nullable: true, id: newId(env) } : {};
  switch (type.kind) {
    case "void":
      return UNINITIALISED;
    case "number":
      return ANY;
    case "memory":
      if (type.bytes === 0) return unsupported(`what ${name} returns`);
      return pointer("rdonly_mem", { size: type.bytes, ...maybe });
    case "other":
      return unsupported(`what ${name} returns`);
    case "struct": {
      if (kind === "next") return pointer(isRcu(env, address) ? "rcu_ptr_" : "trusted_ptr_", { struct: type.name });
      if (!flags.includes("acquire")) return pointer("ptr_", { struct: type.name, ...maybe });
      const id = newId(env);
      env.state.references = [...env.state.references, { id, insn: env.insn }];
      return pointer("ptr_", { struct: type.name, id, ref: id, ...(maybe.nullable ? { nullable: true } : {}) });
    }
  }
}

/** Whether the iterator at an address gives what only an RCU section keeps alive. */
function isRcu(env: Env, address: Reg): boolean {
  const frame = env.state.frames[address.frame]!;
  const slot = frame.stack[(-(address.off + Number(address.value.smin)) - 1) >> 3];
  return slot?.reg?.range === 1;
}
