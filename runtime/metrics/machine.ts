/** What the kernel tells of programs, maps and sessions, as samples. */
import { isCompiled } from "../../compiler/bpf/kinds/index.ts";
import { version } from "../../compiler/version.generated.ts";
import { attachments, attachmentPlace, type Attachment } from "../kernel/attachments.ts";
import { RuntimeError } from "../kernel/errors.ts";
import { inSight, type InSight } from "../kernel/in-sight.ts";
import type { MapInfo, ProgramInfo } from "../kernel/info.ts";
import { entriesOf, memoryOf } from "../kernel/map-fill.ts";
import { metricsOf } from "../kernel/metrics.ts";
import { segmentsWithoutRoom } from "../kernel/option-room.ts";
import { openObject } from "../kernel/pins.ts";
import { isCounting } from "../kernel/stats.ts";
import { openSockDiag } from "../mptcp/sock-diag.ts";
import type { Declared } from "./declared.ts";
import { sample, type Sample } from "./table.ts";
import type { Collected } from "./text.ts";

export interface MachineOptions {
  readonly pins: string;
  /** Network namespaces whose sessions count; undefined: the caller's own. */
  readonly namespaces: readonly (string | undefined)[];
  /** Whether runs are counted, whatever the machine's setting is: the caller has asked for it. */
  readonly counting?: boolean;
  /** The digest of an object, where it is known. */
  readonly digestOf?: (object: string) => string | undefined;
}

export function collectMachine({ pins, namespaces, counting = isCounting(), digestOf }: MachineOptions): Collected {
  const sight = inSight(pins);
  const attached = attachments(sight);
  const programs = sight.programs().filter(({ type }) => isCompiled(type));
  const ids = new Set(programs.flatMap(({ mapIds }) => mapIds));
  const maps = sight.maps().filter(({ id }) => ids.has(id));
  const known = programs.map((program) => ({ program, labels: programLabels(program, sight, attached) }));
  return {
    samples: [
      sample("tsbpf_build_info", { version }, 1),
      sample("tsbpf_stats_enabled", {}, counting ? 1 : 0),
      ...known.flatMap(({ program, labels }) => programSamples(program, labels, attached, digestOf)),
      ...maps.flatMap((map) => mapSamples(map, sight)),
      ...sight.pinned.flatMap(({ name }) => ringSamples(name, pins)),
      ...[...new Set(namespaces)].flatMap(namespaceSamples),
    ],
    declared: declaredBy(maps, known),
  };
}

interface ProgramLabels {
  readonly object: string;
  readonly program: string;
  readonly kind: string;
  readonly place: string;
  readonly id: string;
}
function programLabels(program: ProgramInfo, { pinned }: InSight, attached: readonly Attachment[]): ProgramLabels {
  const places = attached.filter(({ programId }) => programId === program.id).map(attachmentPlace);
  return {
    object: pinned.find(({ programs }) => programs.some(({ id }) => id === program.id))?.name ?? "",
    program: program.name,
    kind: program.type,
    place: [...new Set(places)].sort().join(", "),
    id: String(program.id),
  };
}

function programSamples(
  program: ProgramInfo,
  labels: ProgramLabels,
  attached: readonly Attachment[],
  digestOf: MachineOptions["digestOf"],
): readonly Sample[] {
  const { tag, runCount, runTimeNs, recursionMisses, slots, loadTime } = program;
  const digest = digestOf?.(labels.object) ?? "";
  const age = Number(process.hrtime.bigint() - loadTime) / 1e9;
  return [
    sample("tsbpf_program_info", { ...labels, tag, digest }, 1),
    sample("tsbpf_program_attachments", labels, attached.filter(({ programId }) => programId === program.id).length),
    sample("tsbpf_program_runs_total", labels, runCount),
    sample("tsbpf_program_run_seconds_total", labels, Number(runTimeNs) / 1e9),
    sample("tsbpf_program_missed_runs_total", labels, recursionMisses),
    // Without CAP_BPF the size of a program cannot be seen.
    ...(slots > 0 ? [sample("tsbpf_program_instructions", labels, slots)] : []),
    ...(age >= 0 ? [sample("tsbpf_program_loaded_seconds", labels, age)] : []),
  ];
}

function mapSamples(map: MapInfo, { pinned }: InSight): readonly Sample[] {
  const { name, type: kind, id, maxEntries } = map;
  const object = pinned.find(({ maps }) => maps.some((one) => one.id === id))?.name ?? "";
  const labels = { object, map: name, kind, id: String(id) };
  const entries = entriesOf(map);
  const memory = memoryOf(map);
  return [
    ...(entries === undefined ? [] : [sample("tsbpf_map_entries", labels, entries)]),
    ...(maxEntries === 0 ? [] : [sample("tsbpf_map_max_entries", labels, maxEntries)]),
    ...(memory === undefined ? [] : [sample("tsbpf_map_memory_bytes", labels, memory)]),
  ];
}

/** What cannot be opened has nothing to tell. */
function ringSamples(object: string, pins: string): readonly Sample[] {
  return ifThere(() => {
    const opened = openObject(object, pins);
    try {
      return Object.values(opened.object.rings).flatMap((ring) => {
        const dropped = ring.dropped();
        const labels = { object, ring: ring.name };
        return dropped === undefined ? [] : [sample("tsbpf_ring_dropped_records_total", labels, dropped)];
      });
    } finally {
      opened.close();
    }
  });
}

function namespaceSamples(name: string | undefined): readonly Sample[] {
  const netns = name ?? "";
  return ifThere(() => {
    const states = { active: 0, backup: 0, joining: 0 };
    let sessions = 0;
    const diag = openSockDiag(name);
    try {
      diag.sessions(() => void sessions++, "established");
      diag.subflows(({ backup, fullyEstablished }) => {
        states[!fullyEstablished ? "joining" : backup ? "backup" : "active"]++;
      }, "established");
    } finally {
      diag.close();
    }
    const without = segmentsWithoutRoom(name);
    return [
      sample("tsbpf_mptcp_sessions", { netns }, sessions),
      ...Object.entries(states).map(([state, count]) => sample("tsbpf_mptcp_subflows", { netns, state }, count)),
      ...(without === undefined ? [] : [sample("tsbpf_options_without_room_total", { netns }, without)]),
    ];
  });
}

function declaredBy(
  maps: readonly MapInfo[],
  known: readonly { readonly program: ProgramInfo; readonly labels: ProgramLabels }[],
): readonly Declared[] {
  return metricsOf(maps).map(({ mapId, samples, ...metric }) => {
    const own = known.filter(({ program }) => program.mapIds.includes(mapId)).map(({ labels }) => labels);
    const all = (label: "object" | "program" | "place"): string =>
      [...new Set(own.map((one) => one[label]))].sort().join(", ");
    return { metric, samples, labels: { object: all("object"), program: all("program"), place: all("place") } };
  });
}

/** Namespaces and objects come and go, and not all may be looked at. */
function ifThere(look: () => readonly Sample[]): readonly Sample[] {
  try {
    return look();
  } catch (error) {
    if (error instanceof RuntimeError) return [];
    throw error;
  }
}
