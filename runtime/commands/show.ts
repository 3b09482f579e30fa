/** `tsbpf show`: what runs, how often, how long; maps, links, open MPTCP sessions. */
import { err, out } from "../../compiler/cli/output.ts";
import { enableStats } from "../kernel/bpf.ts";
import { closeFd } from "../kernel/fd.ts";
import { programInfo, type MapInfo, type ProgramInfo } from "../kernel/info.ts";
import { segmentsWithoutRoom } from "../kernel/option-room.ts";
import { openObject, pinnedFds, pinnedObjects } from "../kernel/pins.ts";
import { openSessions } from "../mptcp/sock-diag.ts";
import { inSight, onlyPinned } from "./in-sight.ts";
import { attachments, type Attachment } from "./list.ts";
import { document, table } from "./report.ts";
import { untilStopped } from "./stop.ts";

export interface ShowOptions {
  readonly netns?: string;
  readonly for?: number;
  readonly pins: string;
  readonly json?: boolean;
}

export async function show(name: string | undefined, options: ShowOptions): Promise<number> {
  const wanted = programIds(name, options.pins);
  const isWanted = (program: ProgramInfo): boolean => (wanted ? wanted.has(program.id) : program.type === "sock_ops");
  const sight = inSight(options.pins);
  const before = new Map(
    sight
      .programs()
      .filter(isWanted)
      .map((program) => [program.id, program]),
  );
  // Counting costs the programs a little, so it is on only for as long as we look; older kernels cannot, and show none.
  const stats = enableStats();
  try {
    if (before.size > 0) await untilStopped(options.for ?? 1, (stopped) => stopped);
    const programs = sight
      .programs()
      .filter(isWanted)
      .map((program) => measured(program, before.get(program.id)));
    const mapIds = new Set(programs.flatMap((program) => program.mapIds));
    const maps = sight.maps().filter((map) => mapIds.has(map.id));
    const links = attachments(options.pins, sight).filter((link) =>
      programs.some((program) => program.id === link.programId),
    );
    const sessions = openSessions(options.netns);
    const optionsWithoutRoom = segmentsWithoutRoom(options.netns) ?? null;
    if (options.json) document({ programs, maps, links, sessions, optionsWithoutRoom, complete: sight.complete });
    else {
      if (!sight.complete) err(onlyPinned(options.pins));
      print(programs, maps, links, sessions, options);
      if (optionsWithoutRoom !== null && optionsWithoutRoom > 0)
        out(
          `\n${optionsWithoutRoom} segments of this namespace had no room for an option that a program wanted to write`,
        );
    }
    return 0;
  } finally {
    if (stats >= 0) closeFd(stats);
  }
}

function programIds(name: string | undefined, pins: string): ReadonlySet<number> | undefined {
  if (name === undefined) return undefined;
  if (!pinnedObjects(pins).includes(name)) openObject(name, pins).close();
  return new Set(
    pinnedFds(name, "programs", pins).map(([, fd]) => {
      try {
        return programInfo(fd).id;
      } finally {
        closeFd(fd);
      }
    }),
  );
}

interface Measured {
  readonly id: number;
  readonly name: string;
  readonly type: string;
  readonly slots: number;
  readonly jitedBytes: number;
  readonly mapIds: readonly number[];
  /** While we looked. */
  readonly runs: number;
  readonly nsPerRun: number | null;
  /** Since statistics were first on. */
  readonly totalRuns: bigint;
}

function measured(now: ProgramInfo, before: ProgramInfo | undefined): Measured {
  const runs = Number(now.runCount - (before?.runCount ?? 0n));
  const ns = Number(now.runTimeNs - (before?.runTimeNs ?? 0n));
  const { id, name, type, slots, jitedBytes, mapIds } = now;
  return {
    id,
    name,
    type,
    slots,
    jitedBytes,
    mapIds,
    runs,
    nsPerRun: runs > 0 ? Math.round((10 * ns) / runs) / 10 : null,
    totalRuns: now.runCount,
  };
}

function print(
  programs: readonly Measured[],
  maps: readonly MapInfo[],
  links: readonly Attachment[],
  sessions: ReturnType<typeof openSessions>,
  options: ShowOptions,
): void {
  const programRows = programs.map((one) => [
    String(one.id),
    one.name,
    one.type,
    String(one.slots),
    String(one.runs),
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
  const linkRows = links.map((link) => [
    link.link === null ? "-" : String(link.link),
    link.program,
    link.object ?? "(a running process)",
    link.cgroup ?? "(gone)",
  ]);
  if (linkRows.length > 0) out(`\n${table(["LINK", "PROGRAM", "HELD BY", "CGROUP"], linkRows)}`);
  if (sessions.length === 0) return;
  const rows = sessions.flatMap((session) => [
    [session.token.toString(16).padStart(8, "0"), session.from, session.to, `${session.subflows.length} subflows`],
    ...session.subflows.map((subflow) => [
      "",
      `  ${subflow.from}`,
      subflow.to,
      `ids ${subflow.localId}/${subflow.remoteId}${subflow.backup ? ", backup" : ""}`,
    ]),
  ]);
  out(`\n${table(["SESSION", "FROM", "TO", ""], rows)}`);
}
