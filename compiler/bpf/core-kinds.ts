/** Kinds of CO-RE relocations that are emitted: enum bpf_core_relo_kind of include/uapi/linux/bpf.h. */
export const CORE_KINDS = { "byte-offset": 0, "shift-left": 4, "shift-right": 5 } as const;
export type CoreKind = keyof typeof CORE_KINDS;
