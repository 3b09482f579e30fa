/**
 * A program of its own, which bin/tsbpf starts where a record may be good: it looks closely, and then writes and prints what
 * the record says. It ends with NOT_DONE, before it has printed anything, where it is to be compiled after all.
 */
import { writeWhole } from "../../files/files.ts";
import { keepHangUp } from "../hang-up.ts";
import { leave, print, watchOutput } from "../output.ts";
import { findRecord, takeName, type BuildRecord } from "./record.ts";

/** EX_TEMPFAIL, which no command of ours ends with. */
const NOT_DONE = 75;

/** Whether the launcher, of which this is a part, still waits: who has ended the command finds nothing done afterwards. */
const isAwaited = (): boolean => String(process.ppid) === process.env["TSBPF_LAUNCHER"];

/** Whether all files could be written; who compiles says why not. */
function writes({ wrote }: BuildRecord): boolean {
  try {
    for (const [path, bytes] of wrote) {
      if (!isAwaited()) return false;
      writeWhole(path, Buffer.from(bytes, "base64"));
    }
    return isAwaited();
  } catch {
    return false;
  }
}

keepHangUp();
const name = takeName();
const record = name === undefined ? undefined : findRecord(name);
if (record && writes(record)) {
  watchOutput();
  for (const [stream, text] of record.printed) print(stream, text);
  // After this turn, failures to write are known.
  setImmediate(leave);
} else process.exitCode = NOT_DONE;
