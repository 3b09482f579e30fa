/** Compiling, with a witness: what has gone well is kept, for the next time that the same is asked of the same files. */
import { resolve } from "node:path";
import { witnessed } from "../../files/witness.ts";
import { commandKey, keepRecord, takeName, type BuildRecord } from "./record.ts";

/** Runs a command that gives its exit code, and keeps what it did where the launcher wants it kept and all is good. */
export function remembered(run: () => number): number {
  const name = takeName();
  const key = name === undefined ? undefined : commandKey();
  if (name === undefined || key === undefined) return run();
  const asked = new Map<string, BuildRecord["asked"][number]>();
  const wrote: (readonly [string, string])[] = [];
  const printed: (readonly [1 | 2, string])[] = [];
  // Who is answered differently the second time has compiled what was there at no one time.
  let changing = false;
  const code = witnessed(
    {
      asked(question, path, answer) {
        const place = `${question} ${path}`;
        const before = asked.get(place);
        if (before && JSON.stringify(before[2]) !== JSON.stringify(answer)) changing = true;
        asked.set(place, [question, path, answer]);
      },
      wrote: (path, bytes) => void wrote.push([path, Buffer.from(bytes).toString("base64")]),
      printed: (stream, text) => void printed.push([stream, text]),
    },
    run,
  );
  if (code !== 0 || changing) return code;
  const all = [...asked.values()];
  const inputs = all.filter(([question]) => question === "contents").map(([, path]) => resolve(path));
  keepRecord(name, { key, asked: all, wrote, printed }, inputs);
  return code;
}
