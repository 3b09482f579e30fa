// Large maps are printed as they are read: the heap holds neither the map nor its text.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { allMaps, load, type LoadedObject } from "../../runtime/api.ts";
import { tsbpf } from "./command.ts";
import { openLab, whyNot, type Lab } from "./lab.ts";
import { repository } from "./repository.ts";

const ENTRIES = 300_000;
/** Far less than the text alone, which has more than 20 MB with --json. */
const HEAP_MB = 40;
const SOURCE = `
import { HashMap, license, struct, u32, u64 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
class Count extends struct({ port: u32, bytes: u64 }) {}
export const large = new HashMap({ key: u32, value: Count, maxEntries: ${ENTRIES} });
export const counting = sockOps((ctx) => {
  large.set(ctx.localPort, { port: ctx.localPort, bytes: 1n });
  return 1;
});
`;

const skip = whyNot();
describe.skipIf(skip)(skip ? `a large map (skipped: ${skip})` : "a large map", () => {
  let lab: Lab;
  let object: LoadedObject;
  let id: number;
  beforeAll(() => {
    lab = openLab();
    const folder = mkdtempSync(join(tmpdir(), "tsbpf-large-"));
    lab.defer(() => rmSync(folder, { recursive: true, force: true }));
    writeFileSync(join(folder, "large.ts"), SOURCE);
    expect(tsbpf(["build", join(folder, "large.ts"), "-o", folder])).toMatchObject({ code: 0, err: "" });
    object = load(join(folder, "large.o"));
    lab.defer(() => object.close());
    const map = object.maps["large"]!;
    map.setAll(Array.from({ length: ENTRIES }, (_, key) => [key, { port: key, bytes: BigInt(key) << 32n }] as const));
    id = [...allMaps()].findLast((one) => one.name === "large")!.id;
  });
  afterAll(() => lab?.close());

  it.each([
    ["text", [], /^(\d+) +\{.*port: (\d+)/],
    ["JSON", ["--json"], /^ {2}\{"key":(\d+),"value":\{"port":(\d+),/],
  ] as const)(
    "is dumped as %s in a small heap, every entry once",
    async (_, more, pattern) => {
      const args = [`--max-old-space-size=${HEAP_MB}`, join(repository, "bin/tsbpf.cjs"), "map", "dump", `id:${id}`];
      const child = spawn(process.execPath, [...args, ...more], { stdio: ["ignore", "pipe", "pipe"] });
      let errors = "";
      child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
      const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
      const seen = new Set<number>();
      for await (const line of createInterface({ input: child.stdout })) {
        const [, key, port] = pattern.exec(line) ?? [];
        if (key !== undefined && port === key) seen.add(Number(key));
      }
      expect({ code: await ended, errors }).toEqual({ code: 0, errors: "" });
      expect(seen.size).toBe(ENTRIES);
    },
    240_000,
  );
});
