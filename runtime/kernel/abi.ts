/**
 * Numbers of bpf(2): commands, the fields of union bpf_attr, program and attach types (include/uapi/linux/bpf.h).
 * A test compares the offsets with the header of the machine.
 */

export const BPF = {
  mapCreate: 0,
  mapLookup: 1,
  mapUpdate: 2,
  mapDelete: 3,
  mapNextKey: 4,
  progLoad: 5,
  objPin: 6,
  objGet: 7,
  progAttach: 8,
  progDetach: 9,
  progTestRun: 10,
  progNextId: 11,
  mapNextId: 12,
  progFdById: 13,
  mapFdById: 14,
  info: 15,
  progQuery: 16,
  btfLoad: 18,
  btfFdById: 19,
  mapLookupDelete: 21,
  mapFreeze: 22,
  mapLookupBatch: 24,
  mapLookupDeleteBatch: 25,
  mapUpdateBatch: 26,
  mapDeleteBatch: 27,
  linkCreate: 28,
  linkUpdate: 29,
  linkFdById: 30,
  linkNextId: 31,
  enableStats: 32,
  linkDetach: 34,
} as const;

/** Where each field of union bpf_attr lies, by command family: [offset, bytes]. 8-byte fields may be addresses. */
export const ATTR = {
  mapCreate: {
    map_type: [0, 4],
    key_size: [4, 4],
    value_size: [8, 4],
    max_entries: [12, 4],
    map_flags: [16, 4],
    map_name: [28, 16],
    btf_fd: [48, 4],
    btf_key_type_id: [52, 4],
    btf_value_type_id: [56, 4],
    btf_vmlinux_value_type_id: [60, 4],
  },
  element: { map_fd: [0, 4], key: [8, 8], value: [16, 8], flags: [24, 8] },
  batch: {
    in_batch: [0, 8],
    out_batch: [8, 8],
    keys: [16, 8],
    values: [24, 8],
    count: [32, 4],
    map_fd: [36, 4],
    elem_flags: [40, 8],
    flags: [48, 8],
  },
  progLoad: {
    prog_type: [0, 4],
    insn_cnt: [4, 4],
    insns: [8, 8],
    license: [16, 8],
    log_level: [24, 4],
    log_size: [28, 4],
    log_buf: [32, 8],
    prog_flags: [44, 4],
    prog_name: [48, 16],
    expected_attach_type: [68, 4],
    prog_btf_fd: [72, 4],
    func_info_rec_size: [76, 4],
    func_info: [80, 8],
    func_info_cnt: [88, 4],
    line_info_rec_size: [92, 4],
    line_info: [96, 8],
    line_info_cnt: [104, 4],
    attach_btf_id: [108, 4],
    core_relo_cnt: [116, 4],
    core_relos: [128, 8],
    core_relo_rec_size: [136, 4],
  },
  object: { pathname: [0, 8], bpf_fd: [8, 4], file_flags: [12, 4] },
  attach: { target_fd: [0, 4], attach_bpf_fd: [4, 4], attach_type: [8, 4], attach_flags: [12, 4] },
  id: { start_id: [0, 4], next_id: [4, 4], open_flags: [8, 4] },
  info: { bpf_fd: [0, 4], info_len: [4, 4], info: [8, 8] },
  btfLoad: { btf: [0, 8], btf_log_buf: [8, 8], btf_size: [16, 4], btf_log_size: [20, 4], btf_log_level: [24, 4] },
  linkCreate: { prog_fd: [0, 4], target_fd: [4, 4], attach_type: [8, 4], flags: [12, 4] },
  linkUpdate: { link_fd: [0, 4], new_prog_fd: [4, 4], flags: [8, 4], old_prog_fd: [12, 4] },
  linkDetach: { link_fd: [0, 4] },
  testRun: {
    prog_fd: [0, 4],
    retval: [4, 4],
    data_size_in: [8, 4],
    data_size_out: [12, 4],
    data_in: [16, 8],
    data_out: [24, 8],
    repeat: [32, 4],
    duration: [36, 4],
  },
  enableStats: { type: [0, 4] },
  query: {
    target_fd: [0, 4],
    attach_type: [4, 4],
    query_flags: [8, 4],
    attach_flags: [12, 4],
    prog_ids: [16, 8],
    prog_cnt: [24, 4],
  },
} as const satisfies Record<string, Record<string, readonly [offset: number, bytes: number]>>;
export type AttrFamily = keyof typeof ATTR;

/** Bytes handed to the kernel. Older kernels accept more than they know as long as the rest is zero. */
export const ATTR_BYTES = 152;

/** Names are kept in 16 bytes, the last one zero. */
export const OBJECT_NAME_LENGTH = 15;

/** How programs on a cgroup agree with others: flags of BPF_PROG_ATTACH, told by BPF_PROG_QUERY. Links are all multi. */
export const ATTACH_FLAGS = { override: 1, multi: 2 } as const;
/** As many programs as one cgroup takes (BPF_CGROUP_MAX_PROGS). */
export const MOST_PROGRAMS = 64;

/** Flags of map updates. */
export const UPDATE = { any: 0, insert: 1, update: 2 } as const;
export type UpdateMode = keyof typeof UPDATE;
