/** What `tsbpf dev --cgroup` loads, replaces and takes away, on the running kernel. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { placesIn, type Placeable } from "../../runtime/cli/dev-places.ts";
import { load } from "../../runtime/cli/load.ts";
import { readPinned } from "../../runtime/kernel/in-sight.ts";
import { detach } from "../../runtime/cli/detach.ts";
import { openLab, sh, whyNot, type Lab } from "../runtime/lab.ts";

/** As when the reader of its output has gone: loaded all the same. */
const lost = vi.hoisted(() => ({ output: false }));
vi.mock("../../runtime/cli/load.ts", async (original) => {
  const real = await original<typeof import("../../runtime/cli/load.ts")>();
  return {
    ...real,
    load: async (...args: Parameters<typeof real.load>) => {
      const code = await real.load(...args);
      return lost.output ? 1 : code;
    },
  };
});

const program = (number: number): string => `import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const one = sockOps((ctx) => (ctx.mss === ${number} ? 0 : 1));
`;
const skip = whyNot();

describe.skipIf(skip !== undefined)(`dev's places${skip === undefined ? "" : ` (${skip})`}`, () => {
  let lab: Lab;
  let bpffs: string;
  let pins: string;
  let cgroup: string;
  let folder: string;
  let said: string;
  beforeAll(() => {
    lab = openLab();
    bpffs = mkdtempSync(join(tmpdir(), "tsbpf-bpffs-"));
    sh("mount", "-t", "bpf", "bpf", bpffs);
    lab.defer(() => {
      sh("umount", bpffs);
      rmSync(bpffs, { recursive: true });
    });
    pins = join(bpffs, "tsbpf");
    cgroup = lab.cgroup("dev-places");
  });
  afterAll(() => lab.close());
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "tsbpf-dev-"));
    [said, lost.output] = ["", false];
    for (const stream of [process.stdout, process.stderr])
      vi.spyOn(stream, "write").mockImplementation((text, ...rest: unknown[]) => {
        said += String(text);
        const called = rest.find((one) => typeof one === "function");
        if (called) called();
        return true;
      });
  });
  afterEach(async () => {
    await detach([], { all: true, pins });
    vi.restoreAllMocks();
    rmSync(folder, { recursive: true });
  });

  const source = (name: string, hasPrograms = true): Placeable => {
    const file = join(folder, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, program(basename(dirname(file)).length));
    return { file, hasPrograms, parts: new Set([file]) };
  };
  /** The number of each pinned object's program. */
  const pinned = (): Readonly<Record<string, number | undefined>> =>
    Object.fromEntries(readPinned(pins).map(({ name, programs }) => [name, programs[0]?.id]));
  const signal = new AbortController().signal;

  test("what is pinned is known, whatever came of its output", async () => {
    const places = placesIn({ cgroup, pins });
    lost.output = true;
    expect(await places.update([source("x.ts")], [], signal)).toBe(1);
    expect(Object.keys(pinned())).toEqual(["x"]);
    await places.end();
    expect(pinned()).toEqual({});
  });

  test("two sources with one name are refused before anything is loaded; what has no programs has no name", async () => {
    const places = placesIn({ cgroup, pins });
    const [a, b] = [source("a/x.ts"), source("b/x.ts")];
    await expect(places.update([a, b], [], signal)).rejects.toThrow(
      `${a.file} and ${b.file} would both be the object x`,
    );
    expect(pinned()).toEqual({});
    expect(await places.update([a, { ...b, hasPrograms: false }], [], signal)).toBe(0);
    expect(Object.keys(pinned())).toEqual(["x"]);
    await places.end();
  });

  test("what has no program any more is removed", async () => {
    const places = placesIn({ cgroup, pins });
    const [x, y] = [source("x.ts"), source("y.ts")];
    expect(await places.update([x, y], [], signal)).toBe(0);
    expect(Object.keys(pinned())).toEqual(["x", "y"]);
    expect(await places.update([{ ...x, hasPrograms: false }, y], [x.file], signal)).toBe(0);
    expect(Object.keys(pinned())).toEqual(["y"]);
    await places.end();
    expect(pinned()).toEqual({});
  });

  test("what was loaded before is left alone; with replace it is replaced, and stays", async () => {
    const x = source("x.ts");
    expect(await load(x.file, { cgroup, pins })).toBe(0);
    const before = pinned();
    const places = placesIn({ cgroup, pins });
    expect(await places.update([x], [], signal)).toBe(1);
    expect(said).toMatch(/error\[pin-exists\][^]*tsbpf detach x removes it/);
    await places.end();
    expect(pinned()).toEqual(before);
    const replacing = placesIn({ cgroup, pins, replace: true });
    expect(await replacing.update([x], [], signal)).toBe(0);
    const after = pinned();
    expect(after["x"]).not.toBe(before["x"]);
    // Once is enough until it changes.
    expect(await replacing.update([x], [], signal)).toBe(0);
    expect(pinned()).toEqual(after);
    await replacing.end();
    expect(said).toContain("x was pinned before and stays");
    expect(pinned()).toEqual(after);
  });
});
