/** Programs for tests of the simulator, and the path that most of them take. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { simulate as run, type CongestionControlUnderTest, type SimulationRun } from "tsbpf/testing";
import { afterAll } from "vitest";
import { load } from "../../runtime/testing/load.ts";

/** A file of this text, for load(). */
export function sources(): (text: string) => string {
  const folder = mkdtempSync(join(tmpdir(), "tsbpf-simulator-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  let files = 0;
  return (text) => {
    const path = join(folder, `program${files++}.ts`);
    writeFileSync(path, text);
    return path;
  };
}
export type Control = CongestionControlUnderTest<unknown>;
export const bundled = async (name: string): Promise<Control> =>
  (await load(new URL(`../../programs/${name}.ts`, import.meta.url)))[name] as Control;

/** 8 Mbit/s and 40 ms: 26.7 full packets are under way when the link is busy and nothing waits. */
export const PATH = { rate: "8mbit", delay: "20ms", queue: 27 } as const;
export const PACKETS_PER_SECOND = 8e6 / 8 / 1500;

type Options = Parameters<typeof run>[0];
/** A run over PATH, with the flows given. */
export const simulate = (
  options: Omit<Options, "path" | "duration"> & {
    readonly path?: Partial<Options["path"]>;
    readonly duration?: Options["duration"];
  },
): SimulationRun => run({ duration: "20s", ...options, path: { ...PATH, ...options.path } });

export const mean = (series: Float64Array): number => series.reduce((sum, one) => sum + one, 0) / series.length;
