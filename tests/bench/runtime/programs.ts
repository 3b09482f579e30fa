/** Nanoseconds per run of the bundled option programs beside clang's twins of them, on the same traffic and in turns. */
import { load, type LoadedObject } from "../../../runtime/api.ts";
import { enableStats } from "../../../runtime/kernel/bpf.ts";
import { closeFd } from "../../../runtime/kernel/fd.ts";
import { mapInfo } from "../../../runtime/kernel/info.ts";
import { TWINS, type Twin } from "../twins.ts";
import { clangVariant, ours, type Variant } from "../variants.ts";
import { hasClang } from "../clang.ts";
import { median, spread } from "./statistics.ts";

export interface Beside {
  readonly program: string;
  /** Medians of the rounds. */
  readonly ours: number;
  readonly clang: number;
  /** Median of ours over clang's round by round, and half the distance of its quartiles. */
  readonly ratio: number;
  readonly spreadPercent: number;
}

/** Those that this kernel runs. */
export const measured: readonly Twin[] = TWINS.filter(
  (twin) => twin.events === "option" && twin.targets.includes("mainline"),
);

/** Sends something, with what is to hang on the client's sockets: MAP:BYTES. */
type Traffic = (storage: string | undefined) => void;

export function besideTwins(
  groups: readonly string[],
  traffic: Traffic,
  rounds: number,
  report: (row: Beside) => void,
): void {
  const compiler = (["clang-19", "clang-16"] as const).find(hasClang);
  if (!compiler) return;
  const stats = enableStats();
  try {
    for (const twin of measured) {
      const variants = { ours: ours(twin, "mainline"), clang: clangVariant(twin, "mainline", compiler, "v3") };
      const ns: Record<keyof typeof variants, number[]> = { ours: [], clang: [] };
      for (let turn = 0; turn < rounds; turn++)
        for (const name of turn % 2 === 0 ? (["ours", "clang"] as const) : (["clang", "ours"] as const))
          ns[name].push(nsPerRun(variants[name], groups, traffic));
      const ratios = ns.ours.map((one, round) => one / ns.clang[round]!);
      report({
        program: twin.program,
        ours: median(ns.ours),
        clang: median(ns.clang),
        ratio: median(ratios),
        spreadPercent: spread(ratios),
      });
    }
  } finally {
    closeFd(stats);
  }
}

/** Other programs of the object are detached: a file with two options is measured one by one. */
function nsPerRun({ module, twin }: Variant, groups: readonly string[], traffic: Traffic): number {
  const object: LoadedObject = load(module, twin.params ? { params: twin.params } : {});
  try {
    const program = object.programs[twin.program]!;
    for (const group of groups) program.attach(group);
    const [storage] = Object.entries(twin.storage ?? {});
    traffic(storage && `${mapInfo(object.mapFds.get(storage[0])!).id}:${storage[1]}`);
    const { runCount, runTimeNs } = program.info();
    return Number(runTimeNs) / Number(runCount);
  } finally {
    object.close();
  }
}
