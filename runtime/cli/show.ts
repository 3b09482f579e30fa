/** `tsbpf show`: what runs, how often, how long; maps, links, open MPTCP sessions. */
import { isCompiled } from "../../compiler/bpf/kinds/index.ts";
import { enableStats } from "../kernel/bpf.ts";
import { closeFd } from "../kernel/fd.ts";
import { lacking } from "../kernel/capabilities.ts";
import type { MapInfo, ProgramInfo } from "../kernel/info.ts";
import { metricsOf, type CountedMetric } from "../kernel/metrics.ts";
import { segmentsWithoutRoom } from "../kernel/option-room.ts";
import { openObject } from "../kernel/pins.ts";
import { openSessions } from "../mptcp/sock-diag.ts";
import { inSight, onlyPinned, type PinnedInfo } from "../kernel/in-sight.ts";
import { attachments, attachmentPlace, type Attachment } from "../kernel/attachments.ts";
import { isCounting } from "../kernel/stats.ts";
import { holderTexts } from "./list.ts";
import { err, out } from "./output.ts";
import { document, errorJson, reportError, table } from "./report.ts";
import { untilStopped } from "./stop.ts";

export interface ShowOptions {
  readonly netns?: string;
  readonly for?: number;
  readonly pins: string;
  readonly json?: boolean;
}

export async function show(name: string | undefined, options: ShowOptions): Promise<number> {
  const sight = inSight(options.pins);
  const wanted = name === undefined ? undefined : programIds(name, sight.pinned, options.pins);
  const isWanted = (program: ProgramInfo): boolean => (wanted ? wanted.has(program.id) : isCompiled(program.type));
  const before = new Map(
    sight
      .programs()
      .filter(isWanted)
      .map((program) => [program.id, program]),
  );
  // Counting costs the programs a little, so it is on only for as long as we look.
  const stats = enableStats();
  const counting = stats >= 0 || isCounting();
  try {
    if (before.size > 0 && counting) await untilStopped(options.for ?? 1, (stopped) => stopped);
    const programs = sight
      .programs()
      .filter(isWanted)
      .map((program) => measured(program, before.get(program.id), counting));
    const mapIds = new Set(programs.flatMap((program) => program.mapIds));
    const maps = sight.maps().filter((map) => mapIds.has(map.id));
    const metrics = metricsOf(maps).map((metric) => ({
      ...metric,
      programs: programs.flatMap(({ name: program, mapIds: ids }) => (ids.includes(metric.mapId) ? [program] : [])),
    }));
    const links = attachments(sight).filter(
      (link) =>
        programs.some((program) => program.id === link.programId) || (name === undefined && link.program === null),
    );
    const sessions = sessionsInSight(options.netns);
    const optionsWithoutRoom = segmentsWithoutRoom(options.netns) ?? null;
    const broken = sight.pinned.flatMap((one) =>
      one.problem && (name === undefined || one.name === name) ? [{ object: one.name, problem: one.problem }] : [],
    );
    if (options.json)
      document({
        programs,
        maps,
        metrics,
        links,
        sessions,
        optionsWithoutRoom,
        complete: sight.complete,
        broken: broken.map(({ object, problem }) => ({ object, error: errorJson(problem) })),
      });
    else {
      if (!sight.complete) err(onlyPinned(options.pins));
      print(programs, maps, metrics, links, sessions, options);
      for (const text of unseen(programs, sessions)) err(text);
      if (optionsWithoutRoom !== null && optionsWithoutRoom > 0)
        out(
          `\n${optionsWithoutRoom} segments of this namespace had no room for an option that a program wanted to write`,
        );
      for (const { problem } of broken) reportError(problem, false);
    }
    return broken.length === 0 ? 0 : 1;
  } finally {
    if (stats >= 0) closeFd(stats);
  }
}

type Session = Omit<ReturnType<typeof openSessions>[number], "subflows"> & {
  /** Null where the caller may not see them: the kernel tells of them to CAP_NET_ADMIN alone. */
  readonly subflows: ReturnType<typeof openSessions>[number]["subflows"] | null;
};
function sessionsInSight(netns: string | undefined): readonly Session[] {
  const hidden = lacking(["CAP_NET_ADMIN"]).length > 0;
  return openSessions(netns).map((one) => (hidden && one.subflows.length === 0 ? { ...one, subflows: null } : one));
}

/** What the question marks stand for, and what would show it. */
function unseen(programs: readonly Measured[], sessions: readonly Session[]): readonly string[] {
  return [
    ...(programs.some((one) => one.slots === null) ? ["INSNS ?: seeing the size of a program takes CAP_BPF"] : []),
    ...(programs.some((one) => one.runs === null)
      ? ["RUNS ?: having runs counted takes CAP_SYS_ADMIN, and Linux 5.8 or later"]
      : []),
    ...(sessions.some((one) => one.subflows === null) ? ["? subflows: seeing them takes CAP_NET_ADMIN"] : []),
  ];
}

function programIds(name: string, pinned: readonly PinnedInfo[], pins: string): ReadonlySet<number> {
  const found = pinned.find((one) => one.name === name);
  // Its error names those that are there.
  if (!found) openObject(name, pins).close();
  return new Set(found?.programs.map(({ id }) => id));
}

interface Measured {
  readonly id: number;
  readonly name: string;
  readonly type: string;
  /** Null where the caller may not see it, which takes CAP_BPF. */
  readonly slots: number | null;
  readonly jitedBytes: number | null;
  readonly mapIds: readonly number[];
  /** While we looked; null where nobody counts, and the caller may not have it done (CAP_SYS_ADMIN). */
  readonly runs: number | null;
  readonly nsPerRun: number | null;
  /** Since statistics were first on. */
  readonly totalRuns: bigint;
}

function measured(now: ProgramInfo, before: ProgramInfo | undefined, counting: boolean): Measured {
  const runs = Number(now.runCount - (before?.runCount ?? 0n));
  const ns = Number(now.runTimeNs - (before?.runTimeNs ?? 0n));
  const { id, name, type, slots, jitedBytes, mapIds } = now;
  return {
    id,
    name,
    type,
    slots: slots || null,
    jitedBytes: slots === 0 ? null : jitedBytes,
    mapIds,
    runs: counting ? runs : null,
    nsPerRun: runs > 0 ? Math.round((10 * ns) / runs) / 10 : null,
    totalRuns: now.runCount,
  };
}

function print(
  programs: readonly Measured[],
  maps: readonly MapInfo[],
  metrics: readonly (CountedMetric & { readonly programs: readonly string[] })[],
  links: readonly Attachment[],
  sessions: readonly Session[],
  options: ShowOptions,
): void {
  const programRows = programs.map((one) => [
    String(one.id),
    one.name,
    one.type,
    String(one.slots ?? "?"),
    String(one.runs ?? "?"),
    one.nsPerRun === null ? "-" : one.nsPerRun.toFixed(1),
  ]);
  out(
    table(["ID", "PROGRAM", "TYPE", "INSNS", `RUNS IN ${options.for ?? 1} S`, "NS PER RUN"], programRows) ||
      "no programs",
  );
  const mapRows = maps.map((map) => [
    String(map.id),
    map.name,
    map.type,
    String(map.keySize),
    String(map.valueSize),
    String(map.maxEntries),
  ]);
  if (mapRows.length > 0) out(`\n${table(["ID", "MAP", "TYPE", "KEY", "VALUE", "ENTRIES"], mapRows)}`);
  const metricRows = metrics.flatMap(({ name, label, samples, programs: by, help }) =>
    samples.map((sample, index) => [
      label === undefined ? name : `${name}{${label.name}="${sample.label}"}`,
      String(sample.value),
      by.join(", "),
      index === 0 ? help : "",
    ]),
  );
  if (metricRows.length > 0) out(`\n${table(["METRIC", "VALUE", "PROGRAM", ""], metricRows)}`);
  const holders = holderTexts(links);
  const linkRows = links.map((link, index) => [
    link.link === null ? (link.visible ? "-" : "?") : String(link.link),
    link.program ?? `? (program ${link.programId})`,
    holders[index]!,
    attachmentPlace(link),
  ]);
  if (linkRows.length > 0) out(`\n${table(["LINK", "PROGRAM", "HELD BY", "ATTACHED TO"], linkRows)}`);
  if (sessions.length === 0) return;
  const rows = sessions.flatMap((session) => [
    [
      session.token.toString(16).padStart(8, "0"),
      session.from,
      session.to,
      `${session.subflows?.length ?? "?"} subflows`,
    ],
    ...(session.subflows ?? []).map((subflow) => [
      "",
      `  ${subflow.from}`,
      subflow.to,
      `ids ${subflow.localId}/${subflow.remoteId}${subflow.backup ? ", backup" : ""}`,
    ]),
  ]);
  out(`\n${table(["SESSION", "FROM", "TO", ""], rows)}`);
}
