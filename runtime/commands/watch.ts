/** What a running object says, as it says it: ring-buffer records and lines of `log`. */
import { existsSync, openSync } from "node:fs";
import { readSync } from "node:fs";
import { out } from "../../compiler/cli/output.ts";
import type { BpfModule } from "../../compiler/module.ts";
import type { Value } from "../kernel/codec.ts";
import { show, toJson } from "../kernel/format.ts";
import type { LoadedObject } from "../kernel/object.ts";
import { syscalls } from "../kernel/syscalls.ts";
import { closeFd } from "../kernel/fd.ts";
import { line } from "./report.ts";

/** Prints every record of every ring; resolves when all streams have ended. */
export function watchRings(object: LoadedObject, asJson: boolean): { close(): void; readonly done: Promise<void> } {
  const streams = Object.values(object.rings).map((ring) => ({ ring, stream: ring.stream() }));
  const done = Promise.all(
    streams.map(async ({ ring, stream }) => {
      for await (const record of stream) {
        const { layout, name } = ring;
        if (!layout) {
          const hex = Buffer.from(record as unknown as Uint8Array).toString("hex");
          if (asJson) line({ ring: name, bytes: hex });
          else out(`${name}  ${hex}`);
        } else if (asJson) line({ ring: name, record: toJson(layout, record as Value) });
        else out(`${name}  ${show(layout, record as Value)}`);
      }
    }),
  ).then(() => undefined);
  return { close: () => streams.forEach(({ stream }) => stream.close()), done };
}

/** Helpers that print to the trace pipe: bpf_trace_printk and bpf_trace_vprintk. */
const PRINTING = new Set([6, 177]);
export const prints = (module: BpfModule): boolean =>
  module.programs.some((program) =>
    program.insns.some((insn) => insn.code === 0x85 && insn.src === 0 && PRINTING.has(insn.imm)),
  );

const TRACE_PIPES = ["/sys/kernel/tracing/trace_pipe", "/sys/kernel/debug/tracing/trace_pipe"];

/** Follows the trace pipe. Undefined, with a reason, where there is none. */
export function watchLog(each: (text: string, raw: string) => void): { close(): void } | string {
  const path = TRACE_PIPES.find((candidate) => existsSync(candidate));
  if (path === undefined)
    return "no tracefs is mounted, so log lines cannot be shown: mount -t tracefs nodev /sys/kernel/tracing";
  let fd: number;
  try {
    const O_NONBLOCK = 0o4000;
    fd = openSync(path, O_NONBLOCK);
  } catch (error) {
    return `log lines cannot be shown: ${(error as NodeJS.ErrnoException).code} on ${path}`;
  }
  const buffer = Buffer.alloc(65536);
  let rest = "";
  const read = (): void => {
    for (;;) {
      let length = 0;
      try {
        length = readSync(fd, buffer);
      } catch {
        return;
      }
      if (length === 0) return;
      const lines = (rest + buffer.toString("utf8", 0, length)).split("\n");
      rest = lines.pop() ?? "";
      for (const raw of lines) {
        const text = /bpf_trace_printk: (.*)$/.exec(raw)?.[1];
        if (text !== undefined) each(text, raw);
      }
    }
  };
  const watch = syscalls().watch(fd, read);
  return {
    close() {
      watch.close();
      closeFd(fd);
    },
  };
}
