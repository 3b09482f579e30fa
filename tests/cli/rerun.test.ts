/** What is edited while the first run is under way, in folders that nobody had named. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { expect, test } from "vitest";
import { rerun } from "../../runtime/cli/rerun.ts";

/** Runs until the second run; gives what that one was told to have changed. */
async function secondRun(folder: string, edit: (saw: () => void, file: string) => void): Promise<readonly string[]> {
  const file = join(folder, "programs", "some.ts");
  mkdirSync(join(folder, "programs"));
  writeFileSync(file, "before");
  await wait(30);
  let second: readonly string[] | undefined;
  const done = new Error("the second run");
  const running = rerun([folder], async (saw, changed) => {
    if (second === undefined && changed.length > 0) {
      second = changed;
      throw done;
    }
    edit(() => saw(file), file);
    // As long as tests take.
    await wait(300);
    return 0;
  });
  await expect(running).rejects.toBe(done);
  return second!;
}

test.each([
  [
    "after its file was read",
    (saw: () => void, file: string) => {
      saw();
      writeFileSync(file, "edited");
    },
  ],
  [
    "between reading and watching",
    (saw: () => void, file: string) => {
      writeFileSync(file, "edited");
      saw();
    },
  ],
])("an edit during the first run is noticed: %s", { timeout: 10_000 }, async (_name, edit) => {
  const folder = mkdtempSync(join(tmpdir(), "tsbpf-test-"));
  try {
    expect(await secondRun(folder, edit)).toEqual([join(folder, "programs", "some.ts")]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
