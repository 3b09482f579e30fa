/** BPF_PROG_LOAD: first without a log, which costs nothing; a refusal is asked for again with the whole log. */
import { encodeSlots, type RawInsn } from "../../compiler/bpf/raw.ts";
import { BPF } from "./abi.ts";
import { bpf, cString, type AttrFields } from "./bpf.ts";
import { objectName } from "./names.ts";

export interface ProgramToLoad {
  readonly name: string;
  /** Numbers of enum bpf_prog_type and bpf_attach_type. */
  readonly type: number;
  readonly attachType: number;
  readonly insns: readonly RawInsn[];
  readonly license: string;
  /** Type of the kernel's that the program belongs to, by its number in the kernel's BTF. */
  readonly attachBtfId?: number;
  /** BTF and the records that refer to it. */
  readonly debug?: Pick<
    AttrFields<"progLoad">,
    | "prog_btf_fd"
    | "func_info"
    | "func_info_cnt"
    | "func_info_rec_size"
    | "line_info"
    | "line_info_cnt"
    | "line_info_rec_size"
    | "core_relos"
    | "core_relo_cnt"
    | "core_relo_rec_size"
  >;
}

/** A descriptor, or the negative errno and the verifier's log. */
export type ProgramLoaded = { readonly fd: number } | { readonly errno: number; readonly log: string };

/** A smaller buffer can turn an accept into a reject (ENOSPC), so the first one is large; the kernel takes up to 1 GiB. */
const LOG_BYTES = 16 * 1024 * 1024;
const LARGEST_LOG = 256 * 1024 * 1024;
const ENOSPC = -28;
const EINVAL = -22;

export function loadProgram(program: ProgramToLoad): ProgramLoaded {
  const fields: AttrFields<"progLoad"> = {
    prog_type: program.type,
    expected_attach_type: program.attachType,
    insn_cnt: program.insns.length,
    insns: encodeSlots(program.insns),
    license: cString(program.license),
    prog_name: objectName(program.name),
    attach_btf_id: program.attachBtfId,
    ...program.debug,
  };
  const fd = bpf(BPF.progLoad, "progLoad", fields);
  if (fd >= 0) return { fd };
  // No right to load is no verdict, and a retry would say the same.
  if (fd === -1) return { errno: fd, log: "" };
  const { result, log } = withLog(fields);
  if (result >= 0) return { fd: result };
  // Kernels before 5.0 know no program names, before 5.2 no line info: nothing of it is needed to run.
  // Relocations are: without them the program would be another one.
  if (result === EINVAL && log === "" && program.debug && !program.debug.core_relos) {
    const { debug: _debug, ...plain } = program;
    const again = loadProgram(plain);
    if ("fd" in again) return again;
  }
  return { errno: result, log };
}

function withLog(fields: AttrFields<"progLoad">): { readonly result: number; readonly log: string } {
  for (let size = LOG_BYTES; ; size *= 4) {
    const buffer = new Uint8Array(size);
    const result = bpf(BPF.progLoad, "progLoad", { ...fields, log_level: 1, log_size: size, log_buf: buffer });
    if (result === ENOSPC && size < LARGEST_LOG) continue;
    const end = buffer.indexOf(0);
    return { result, log: new TextDecoder().decode(buffer.subarray(0, end < 0 ? size : end)) };
  }
}
