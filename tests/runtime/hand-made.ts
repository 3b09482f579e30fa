/** Modules put together by hand, for tests of the loader that need no compiler: slots as in RFC 9669. */
import type { RawInsn } from "../../compiler/bpf/raw.ts";
import type { Layout } from "../../compiler/layout.ts";
import type { BpfModule, BpfProgram, GlobalVar, MapSpec, Relocation } from "../../compiler/module.ts";

export const slot = (code: number, dst = 0, src = 0, off = 0, imm = 0): RawInsn => ({ code, dst, src, off, imm });
export const movImm = (dst: number, imm: number): RawInsn => slot(0xb7, dst, 0, 0, imm);
export const movReg = (dst: number, src: number): RawInsn => slot(0xbf, dst, src);
export const call = (helper: number): RawInsn => slot(0x85, 0, 0, 0, helper);
export const exit: RawInsn = slot(0x95);
/** `lddw dst, 0`: the loader fills it in. */
export const wide = (dst: number): readonly [RawInsn, RawInsn] => [slot(0x18, dst), slot(0)];
export const returnOne: readonly RawInsn[] = [movImm(0, 1), exit];

export const int = (bits: 8 | 16 | 32 | 64, signed = false): Layout => ({ kind: "int", bits, signed });
export const be = (bits: 16 | 32 | 64): Layout => ({ kind: "be", bits });

export const source = { path: "hand-made.ts", text: "// line 1\nconst here = 2;\nconst there = 3;\n" };

export function sockOps(name: string, insns: readonly RawInsn[], relocations: readonly Relocation[] = []): BpfProgram {
  return {
    name,
    section: "sockops",
    type: "sock_ops",
    attachType: 3,
    insns,
    relocations,
    lines: [{ slot: 0, span: { file: 0, start: 10, end: 15 } }],
    functions: [{ name, slot: 0 }],
    stack: 0,
  };
}

export function moduleOf(parts: {
  readonly programs?: readonly BpfProgram[];
  readonly maps?: readonly MapSpec[];
  readonly globals?: readonly GlobalVar[];
  readonly needs?: readonly string[];
}): BpfModule {
  return {
    license: "GPL",
    target: "mainline",
    needs: parts.needs ?? ["sock-ops"],
    maps: parts.maps ?? [],
    globals: parts.globals ?? [],
    programs: parts.programs ?? [sockOps("probe", returnOne)],
    sources: [source],
  };
}

export const mapSpec = (
  name: string,
  type: string,
  key: Layout | undefined,
  value: Layout | undefined,
  maxEntries: number,
): MapSpec => ({
  name,
  type,
  ...(key ? { key } : {}),
  ...(value ? { value } : {}),
  maxEntries,
  flags: 0,
  pinned: false,
  initial: [],
});
