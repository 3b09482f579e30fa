/** BPF_PROG_TEST_RUN for tests: runs a socket filter over an empty frame. */
import { BPF } from "../../runtime/kernel/abi.ts";
import { attrBlock, call } from "../../runtime/kernel/bpf.ts";

/** Runs `repeat` times; the mean nanoseconds of one run and what the last one returned. */
export function testRun(fd: number, repeat: number): { readonly result: number; readonly ns: number } {
  const block = attrBlock("testRun", { prog_fd: fd, repeat, data_size_in: 14 + 50, data_in: new Uint8Array(64) });
  const status = call(BPF.progTestRun, block);
  if (status < 0) throw new Error(`test run: ${status}`);
  return { result: block.view.getUint32(4, true), ns: block.view.getUint32(36, true) };
}
