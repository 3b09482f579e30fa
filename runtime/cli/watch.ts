/** What a running object says, as it says it: ring-buffer records and lines of `log`. */
import { existsSync, openSync, readSync, statSync, writeFileSync } from "node:fs";
import { show, toJson } from "../kernel/format.ts";
import type { LoadedObject } from "../kernel/object.ts";
import { syscalls } from "../kernel/syscalls.ts";
import { closeFd } from "../kernel/fd.ts";
import { say } from "./output.ts";
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
          else say(`${name}  ${hex}`);
        } else if (asJson) line({ ring: name, record: toJson(layout, record) });
        else say(`${name}  ${show(layout, record)}`);
      }
    }),
  ).then(() => undefined);
  return { close: () => streams.forEach(({ stream }) => stream.close()), done };
}

const TRACE_PIPES = ["/sys/kernel/tracing/trace_pipe", "/sys/kernel/debug/tracing/trace_pipe"];

/** What the pipe puts before each text: task, CPU, flags, time, and who wrote it. */
const LINE = /^ *\S.{0,15}-\d+ .*?\[\d{3}\] .{4,5} +\d+\.\d+: (\w+): (.*)$/;
const PRINTK = "bpf_trace_printk";

/** The texts of `log` in what the pipe gives: those that have line breaks in them come in several lines. */
export function logLines(each: (text: string, raw: string) => void): { take(chunk: string): void; flush(): void } {
  let rest = "";
  let open: { text: string; raw: string } | undefined;
  const flush = (): void => {
    if (open) each(open.text, open.raw);
    open = undefined;
  };
  return {
    flush,
    take(chunk) {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      for (const raw of lines) {
        const [, writer, text] = LINE.exec(raw) ?? [];
        if (writer !== undefined || /^CPU:\d+ \[LOST \d+ EVENTS\]$/.test(raw)) {
          flush();
          if (writer === PRINTK) open = { text: text!, raw };
        } else if (open) open = { text: `${open.text}\n${raw}`, raw: `${open.raw}\n${raw}` };
      }
    },
  };
}

/**
 * Follows the trace pipe. Undefined, with a reason, where there is none. The kernel keeps what nobody has read:
 * "from now on" leaves that out, up to a mark that is written now.
 */
export function watchLog(
  each: (text: string, raw: string) => void,
  begin: "all" | "from now on" = "all",
): { close(): void } | string {
  // What may not be looked into is there all the same.
  const path = TRACE_PIPES.find((candidate) => existsSync(candidate)) ?? TRACE_PIPES.find(isForbidden);
  if (path === undefined)
    return "no tracefs is mounted, so log lines cannot be shown: mount -t tracefs nodev /sys/kernel/tracing";
  let fd: number;
  try {
    const O_NONBLOCK = 0o4000;
    fd = openSync(path, O_NONBLOCK);
  } catch (error) {
    return `log lines cannot be shown: ${(error as NodeJS.ErrnoException).code} on ${path}`;
  }
  const lines = logLines(each);
  const mark = begin === "from now on" ? writeMark(path) : undefined;
  let before = begin === "all" ? undefined : "";
  const take = (chunk: string): void => {
    if (before === undefined) return lines.take(chunk);
    before += chunk;
    const end = mark === undefined ? -1 : before.indexOf(mark);
    if (end >= 0) {
      const rest = before.slice(before.indexOf("\n", end) + 1);
      before = undefined;
      return lines.take(rest);
    }
    // The mark may lie across two chunks; nothing else is kept.
    before = before.slice(-LONGEST_MARK);
  };
  const buffer = Buffer.alloc(65536);
  const read = (): void => {
    for (;;) {
      let length = 0;
      try {
        length = readSync(fd, buffer);
      } catch {
        length = 0;
      }
      if (length === 0) return lines.flush();
      take(buffer.toString("utf8", 0, length));
    }
  };
  // Nothing is older than what this reads, with or without a mark in it (where tracing is off there is none).
  if (begin === "from now on") read();
  before = undefined;
  const watch = syscalls().watch(fd, read);
  return {
    close() {
      watch.close();
      closeFd(fd);
    },
  };
}

function isForbidden(path: string): boolean {
  try {
    statSync(path);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EACCES";
  }
}

const LONGEST_MARK = 64;
/** Writes a line of ours into the trace, and gives its text; undefined where none can be written. */
function writeMark(pipe: string): string | undefined {
  const text = `tsbpf-${process.pid}-${process.hrtime.bigint()}`;
  try {
    writeFileSync(pipe.replace(/trace_pipe$/, "trace_marker"), `${text}\n`);
    return text;
  } catch {
    return undefined;
  }
}
