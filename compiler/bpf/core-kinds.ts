/** Kinds of CO-RE relocations: enum bpf_core_relo_kind of include/uapi/linux/bpf.h. A test compares them with the headers. */
export const CORE_RELOCATIONS = {
  byteOffset: 0,
  byteSize: 1,
  exists: 2,
  signed: 3,
  shiftLeft: 4,
  shiftRight: 5,
  localTypeId: 6,
  targetTypeId: 7,
  typeExists: 8,
  typeSize: 9,
  valueExists: 10,
  value: 11,
} as const;
/** Those that are emitted, by their names in the IR. */
export const CORE_KINDS = {
  "byte-offset": CORE_RELOCATIONS.byteOffset,
  "shift-left": CORE_RELOCATIONS.shiftLeft,
  "shift-right": CORE_RELOCATIONS.shiftRight,
} as const;
export type CoreKind = keyof typeof CORE_KINDS;
