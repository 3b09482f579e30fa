/**
 * Objects of other compilers made whole for one kernel, as libbpf makes them before it loads them: members of structs where that kernel has them
 * (CO-RE), and what its configuration says (`__kconfig`).
 */
import { sizeOf } from "../layout.ts";
import type { BpfModule, BpfProgram, Extern, GlobalVar, Relocation } from "../module.ts";
import { decodeBtf, resolved, sizeOfType, type Btf } from "./btf.ts";
import { CORE_RECORD_BYTES, type CoreRecord } from "./btf-ext.ts";
import { viewOf } from "./bytes.ts";
import { coreTarget, relocated } from "./relocate-core.ts";
import type { ReadObject } from "./read.ts";
import { layoutReader } from "./type-layouts.ts";

/** What a kernel tells of itself. */
export interface KernelFacts {
  readonly btf: Btf;
  /** The value of a setting ("CONFIG_HZ", "LINUX_KERNEL_VERSION"): a number, "y", "m", "n" or a text; undefined where it has none. */
  readonly setting: (name: string) => string | undefined;
}
/** The module for that kernel; programs that could not be made whole are told with why, and stay as they are. */
export interface Completed {
  readonly module: BpfModule;
  readonly problems: ReadonlyMap<string, string>;
}

/** Makes an object whole. Those of this compiler have their own facts and stay as they are. */
export function complete(
  { module, kernelInfo }: ReadObject & { readonly module: BpfModule },
  kernel: KernelFacts,
): Completed {
  const problems = new Map<string, string>();
  const own = kernelInfo && decodeBtf(kernelInfo.btf);
  if (!own || "problem" in own) return { module, problems };
  const local = own.value;
  const target = coreTarget(kernel.btf);
  const config = configuration(module, local, kernel.setting);
  const programs = module.programs.map((program): BpfProgram => {
    const info = kernelInfo.programs.find((one) => one.name === program.name);
    const result = relocated(program.insns, recordsIn(info?.core ?? new Uint8Array()), local, target);
    if ("problem" in result) {
      problems.set(program.name, result.problem);
      return program;
    }
    const { core: _, externs = [], ...rest } = program;
    const found: Relocation[] = [];
    const left: Extern[] = [];
    for (const one of externs) {
      const offset = one.kind === "variable" ? config.offsets.get(one.name) : undefined;
      if (offset === undefined) left.push(one);
      else found.push({ slot: one.slot, kind: "global", section: ".rodata", offset });
    }
    return {
      ...rest,
      insns: result.insns,
      relocations: [...program.relocations, ...found].sort((a, b) => a.slot - b.slot),
      ...(left.length > 0 ? { externs: left } : {}),
    };
  });
  // A loader leaves what nobody sets as it is.
  const globals = module.globals.map((one) => ({ ...one, param: false }));
  return { module: { ...module, globals: [...globals, ...config.globals], programs }, problems };
}

function recordsIn(bytes: Uint8Array): CoreRecord[] {
  const view = viewOf(bytes);
  return Array.from({ length: Math.floor(bytes.length / CORE_RECORD_BYTES) }, (_, index) => {
    const at = index * CORE_RECORD_BYTES;
    const word = (offset: number): number => view.getUint32(at + offset, true);
    return { offset: word(0), type: word(4), access: word(8), kind: word(12) };
  });
}

/** Variables of `.kconfig`, as constants: the kernel does not tell them apart either. */
function configuration(
  module: BpfModule,
  btf: Btf,
  setting: KernelFacts["setting"],
): { readonly globals: readonly GlobalVar[]; readonly offsets: ReadonlyMap<string, number> } {
  const section = btf.types.find((type) => type?.kind === "datasec" && type.name === ".kconfig");
  const globals: GlobalVar[] = [];
  const offsets = new Map<string, number>();
  if (section?.kind !== "datasec") return { globals, offsets };
  const layoutOf = layoutReader(btf);
  let end = module.globals
    .filter((one) => one.section === ".rodata")
    .reduce((most, { offset, layout }) => Math.max(most, offset + sizeOf(layout)), 0);
  for (const { type } of section.vars) {
    const variable = btf.types[type];
    if (variable?.kind !== "var") continue;
    const layout = layoutOf(variable.type);
    const text = setting(variable.name);
    const init =
      layout && sizeOf(layout) <= LONGEST_SETTING && text !== undefined ? bytesOf(btf, variable.type, text) : undefined;
    if (!layout || !init) continue;
    const offset = Math.ceil(end / 8) * 8;
    end = offset + sizeOf(layout);
    offsets.set(variable.name, offset);
    globals.push({ name: variable.name, section: ".rodata", offset, layout, init, param: false });
  }
  return { globals, offsets };
}

/** Bytes of a variable for a setting. The longest text that kernels have is some hundred. */
const LONGEST_SETTING = 65_536;
/** enum libbpf_tristate. */
const TRISTATE: Readonly<Record<string, number>> = { n: 0, y: 1, m: 2 };
/** A setting as its variable holds it; undefined for what does not fit. */
function bytesOf(btf: Btf, id: number, text: string): Uint8Array | undefined {
  const type = resolved(btf, id);
  const bytes = sizeOfType(btf, id);
  if (type?.kind === "array") {
    const content = new TextEncoder().encode(text.replace(/^"|"$/g, ""));
    const made = new Uint8Array(bytes);
    made.set(content.subarray(0, Math.max(0, bytes - 1)));
    return made;
  }
  if (type?.kind !== "int" && type?.kind !== "enum") return undefined;
  const word = TRISTATE[text];
  const number = word === undefined ? (/^-?(0x)?[0-9a-f]+$/i.test(text) ? BigInt(text) : undefined) : BigInt(word);
  if (number === undefined) return undefined;
  const wide = new Uint8Array(8);
  viewOf(wide).setBigInt64(
    0,
    BigInt.asIntN(64, type.kind === "int" && type.char && word !== undefined ? BigInt(text.charCodeAt(0)) : number),
    true,
  );
  return wide.slice(0, bytes);
}
