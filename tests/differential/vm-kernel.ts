/** Runs a batch in the running kernel: BPF_PROG_LOAD and BPF_PROG_TEST_RUN of a socket filter. Needs root and BPF. */
import { closeSync } from "node:fs";
import { LDDW } from "../../compiler/bpf/opcodes.ts";
import { encodeSlots, type RawInsn } from "../../compiler/bpf/raw.ts";
import { BPF } from "../../runtime/kernel/abi.ts";
import { attrBlock, bpf, call, cString } from "../../runtime/kernel/bpf.ts";
import { errnoText } from "../../runtime/vm/errno.ts";

const ARRAY = 2;
const SOCKET_FILTER = 1;
const LOG_BYTES = 1 << 16;

export interface KernelBench {
  run(batch: {
    readonly insns: readonly RawInsn[];
    readonly value: Uint8Array;
  }): { readonly value: Uint8Array } | { readonly refused: string };
  close(): void;
}

/** Undefined with the reason when this machine cannot do it. */
export function createKernelBench(valueBytes: number): KernelBench | { readonly unavailable: string } {
  let map: number;
  try {
    map = bpf(BPF.mapCreate, "mapCreate", {
      map_type: ARRAY,
      key_size: 4,
      value_size: valueBytes,
      max_entries: 1,
      map_name: "tsbpf_diff",
    });
  } catch (error) {
    return { unavailable: (error as Error).message };
  }
  if (map < 0) return { unavailable: `BPF_MAP_CREATE gives ${errnoText(map)}: root and BPF are needed` };
  const key = new Uint8Array(4);
  const packet = new Uint8Array(64);
  const load = (insns: readonly RawInsn[], log?: Uint8Array): number => {
    const patched = insns.map((insn) => (insn.code === LDDW && insn.src !== 0 ? { ...insn, imm: map } : insn));
    return bpf(BPF.progLoad, "progLoad", {
      prog_type: SOCKET_FILTER,
      insn_cnt: insns.length,
      insns: encodeSlots(patched),
      license: cString("GPL"),
      prog_name: "tsbpf_diff",
      ...(log ? { log_level: 1, log_size: log.length, log_buf: log } : {}),
    });
  };
  return {
    run({ insns, value }) {
      const full = new Uint8Array(valueBytes);
      full.set(value);
      const program = load(insns);
      if (program < 0) {
        const log = new Uint8Array(LOG_BYTES);
        const again = load(insns, log);
        if (again >= 0) closeSync(again);
        const text = Buffer.from(log.subarray(0, log.indexOf(0)))
          .toString()
          .trim()
          .split("\n")
          .slice(-6)
          .join(" | ");
        return { refused: `${errnoText(program)}: ${text}` };
      }
      try {
        const stored = bpf(BPF.mapUpdate, "element", { map_fd: map, key, value: full, flags: 0 });
        if (stored < 0) return { refused: `map update gives ${errnoText(stored)}` };
        const test = attrBlock("testRun", {
          prog_fd: program,
          data_in: packet,
          data_size_in: packet.length,
          repeat: 1,
        });
        const ran = call(BPF.progTestRun, test);
        if (ran < 0) return { refused: `test run gives ${errnoText(ran)}` };
        const out = new Uint8Array(valueBytes);
        const read = bpf(BPF.mapLookup, "element", { map_fd: map, key, value: out });
        return read < 0 ? { refused: `map lookup gives ${errnoText(read)}` } : { value: out.subarray(0, value.length) };
      } finally {
        closeSync(program);
      }
    },
    close: () => closeSync(map),
  };
}
