/**
 * Another user who changes the way to root's cache directory while root makes it: before each call of the file system in
 * turn. Whatever root judges must still be so when it is used, or else another user says where root writes and deletes.
 */
import fs from "node:fs";
import { createRequire, syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { keepRecord } from "../../../runtime/cli/cache/record.ts";
import { root } from "../../programs.ts";

const startup = createRequire(import.meta.url)(join(root, "bin/startup.cjs")) as {
  mayPrepare(): boolean;
  prepare(options: { beside: boolean }): Promise<boolean>;
};

const NOBODY = 65534;
/** Calls that are used on the way to the cache directory. */
const CALLS = [
  "accessSync",
  "chmodSync",
  "existsSync",
  "lstatSync",
  "mkdirSync",
  "mkdtempSync",
  "openSync",
  "readdirSync",
  "realpathSync",
  "renameSync",
  "rmSync",
  "statSync",
  "unlinkSync",
  "writeFileSync",
] as const;
const theirs = Object.fromEntries(CALLS.map((name) => [name, fs[name]]));

let base: string;
/** In a folder that is open as /tmp is: where root's cache directory is to be. */
let cache: string;
/** What the other user would have root work in. */
let victim: string;
/** The other user's own folder. */
let lair: string;
let before: Pick<NodeJS.Process, "env" | "execArgv">;
beforeEach(() => {
  base = fs.mkdtempSync(join(tmpdir(), "tsbpf-race-"));
  fs.chmodSync(base, 0o755);
  fs.mkdirSync(join(base, "open"));
  fs.chmodSync(join(base, "open"), 0o1777);
  cache = join(base, "open/cache");
  lair = join(base, "lair");
  // Old, and with the names of records: there are more than are kept.
  victim = join(base, "victim");
  fs.mkdirSync(victim);
  for (let i = 0; i < 201; i++) fs.writeFileSync(join(victim, `${i}-1`), "");
  before = { env: process.env, execArgv: process.execArgv };
  // Node's own flags and options leave nothing to prepare.
  process.execArgv = [];
  process.env = { ...before.env, XDG_CACHE_HOME: cache, NODE_OPTIONS: "", NODE_V8_COVERAGE: "" };
});
afterEach(() => {
  Object.assign(process, before);
  fs.rmSync(base, { recursive: true, force: true });
});

/** All anew, but for the victim. */
function scene(leads: string): void {
  for (const folder of [cache, lair]) fs.rmSync(folder, { recursive: true, force: true });
  fs.mkdirSync(join(lair, "cache"), { recursive: true });
  const folder = leads === "tsbpf/builds" ? join(lair, "cache/tsbpf") : join(lair, "cache");
  fs.mkdirSync(folder, { recursive: true });
  fs.symlinkSync(victim, join(folder, leads === "tsbpf/builds" ? "builds" : "tsbpf"));
  for (const path of [lair, join(lair, "cache"), folder]) fs.chownSync(path, NOBODY, NOBODY);
}

/** What the other user does, one after the other. In the open folder nobody moves or removes what is another's. */
const ATTACKS: Readonly<Record<string, readonly (() => void)[]>> = {
  "a folder": [() => fs.renameSync(join(lair, "cache"), cache)],
  "a link to a folder": [() => link(join(lair, "cache"))],
  "a link to what is root's": [() => link(victim)],
  "a link that leads somewhere later": [
    () => link(join(lair, "later")),
    () => fs.renameSync(join(lair, "cache"), join(lair, "later")),
  ],
};
function link(to: string): void {
  fs.symlinkSync(to, cache);
  fs.lchownSync(cache, NOBODY, NOBODY);
}

/** Runs `body` with each of `steps` before one call: the numbers of them in `at`. Returns how many calls there were. */
async function interrupted(
  body: () => unknown,
  steps: readonly (() => void)[],
  at: readonly number[],
): Promise<number> {
  let calls = 0;
  let within = false;
  const own = fs as unknown as Record<string, unknown>;
  for (const name of CALLS) {
    const call = theirs[name] as (...all: unknown[]) => unknown;
    own[name] = (...all: unknown[]) => {
      if (within || typeof all[0] !== "string" || !all[0].startsWith(base)) return call(...all);
      within = true;
      try {
        for (const [step, run] of steps.entries())
          if (at[step] === calls && (step > 0 || fs.lstatSync(cache, { throwIfNoEntry: false }) === undefined)) run();
        calls++;
        // What makes a snapshot takes seconds, and begins with a lock.
        if (name === "mkdirSync" && all[0].endsWith(".lock")) {
          call(join(all[0], "..", "lock"));
          throw new Error("enough");
        }
      } finally {
        within = false;
      }
      return call(...all);
    };
  }
  syncBuiltinESMExports();
  try {
    await body();
  } finally {
    Object.assign(fs, theirs);
    syncBuiltinESMExports();
  }
  return calls;
}

const VICTIMS = {
  "a record": ["tsbpf/builds", () => keepRecord("77-77", { key: "", asked: [], wrote: [], printed: [] }, [])],
  "a snapshot": ["tsbpf", () => startup.prepare({ beside: false })],
  "the wish for one": ["tsbpf", () => startup.mayPrepare()],
} as const satisfies Record<string, readonly [leads: string, body: () => unknown]>;

describe.skipIf(process.getuid?.() !== 0)("another user (needs root)", () => {
  describe.each(Object.entries(VICTIMS))("while root makes %s", (_what, [leads, body]) => {
    test.each(Object.entries(ATTACKS))(
      "gains nothing by putting %s in the way",
      async (_how, steps) => {
        const names = fs.readdirSync(victim);
        scene(leads);
        const count = await interrupted(body, [], []);
        expect(count).toBeGreaterThan(8);
        // Nobody in the way: root's own.
        expect(fs.statSync(join(cache, leads)).uid).toBe(0);
        for (let first = 0; first <= count; first++) {
          for (let later = 1; later <= (steps.length > 1 ? count : 1); later *= 2) {
            scene(leads);
            await interrupted(body, steps, [first, first + later]);
            expect(fs.readdirSync(victim), `before calls ${first} and ${first + later}`).toEqual(names);
          }
        }
      },
      120_000,
    );
  });
});
