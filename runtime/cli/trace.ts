/** `tsbpf trace`: log lines, and the records of a pinned object's ring buffers. */
import { RuntimeError } from "../kernel/errors.ts";
import { openObject } from "../kernel/pins.ts";
import { err, out } from "./output.ts";
import { line } from "./report.ts";
import { untilStopped } from "./stop.ts";
import { watchLog, watchRings } from "./watch.ts";

export interface TraceOptions {
  readonly pins: string;
  readonly for?: number;
  readonly json?: boolean;
}

export async function trace(name: string | undefined, options: TraceOptions): Promise<number> {
  const pinned = name === undefined ? undefined : openObject(name, options.pins);
  const log = watchLog((text, raw) => (options.json ? line({ log: text }) : out(pinned ? `log  ${text}` : raw.trim())));
  try {
    if (typeof log === "string") {
      if (!pinned) throw new RuntimeError("system", log);
      err(`warning: ${log}`);
    }
    const rings = pinned && watchRings(pinned.object, options.json ?? false);
    if (options.json) line({ event: "tracing", object: name ?? null });
    await untilStopped(options.for, (stopped) => stopped);
    rings?.close();
    await rings?.done;
    return 0;
  } finally {
    if (typeof log !== "string") log.close();
    pinned?.close();
  }
}
