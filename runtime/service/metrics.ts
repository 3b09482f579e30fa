/** The numbers of a service: those of the machine, with what only the service knows. */
import type { Declared } from "../metrics/declared.ts";
import { collectMachine } from "../metrics/machine.ts";
import { sample, type Sample } from "../metrics/table.ts";
import type { Collected } from "../metrics/text.ts";
import type { Instance } from "./instance.ts";
import { LEVELS, type Level } from "./log.ts";
import type { ListReply } from "./protocol.ts";

/** What has happened since the service was started. */
export interface Happened {
  readonly reloads: { ok: number; failed: number };
  readonly entries: Record<Level, number>;
}
export const nothingYet = (): Happened => ({
  reloads: { ok: 0, failed: 0 },
  entries: Object.fromEntries(Object.keys(LEVELS).map((level) => [level, 0])) as Record<Level, number>,
});

export interface ServiceView {
  readonly pins: string;
  /** It has the kernel count runs. */
  readonly counting: boolean;
  readonly since: Date;
  readonly happened: Happened;
  readonly list: ListReply["programs"];
  readonly running: readonly Instance[];
}

export function collectService({ pins, counting, since, happened, list, running }: ServiceView): Collected {
  const managers = running.filter(({ target }) => target.backend === "netlink");
  const digests = new Map(running.map(({ target }) => [target.name, target.digest]));
  const machine = collectMachine({
    pins,
    ...(counting ? { counting } : {}),
    namespaces: [undefined, ...running.map(({ target }) => target.netns)],
    digestOf: (object) => digests.get(object),
  });
  const states = { attached: 0, managing: 0, waiting: 0 };
  for (const { state } of list) states[state]++;
  return {
    samples: [
      ...machine.samples,
      ...managers.flatMap(managerSamples),
      sample("tsbpf_service_start_time_seconds", {}, since.getTime() / 1000),
      ...Object.entries(states).map(([state, count]) => sample("tsbpf_service_programs", { state }, count)),
      ...Object.entries(happened.reloads).map(([result, count]) =>
        sample("tsbpf_service_reloads_total", { result }, count),
      ),
      ...Object.entries(happened.entries).map(([level, count]) =>
        sample("tsbpf_service_log_entries_total", { level }, count),
      ),
    ],
    declared: [...machine.declared, ...managers.flatMap(declaredBy)],
  };
}

function managerSamples({ target, facts }: Instance): readonly Sample[] {
  const { sessions = 0, counts = {} } = facts();
  const labels = { program: target.name, netns: target.netns ?? "" };
  const results = { created: "created", refused: "refused", turned_away: "turnedAway" } as const;
  return [
    sample("tsbpf_path_manager_sessions", labels, sessions),
    sample("tsbpf_path_manager_events_total", labels, counts["events"] ?? 0),
    sample("tsbpf_path_manager_overruns_total", labels, counts["overruns"] ?? 0),
    ...Object.entries(results).map(([result, key]) =>
      sample("tsbpf_path_manager_subflows_total", { ...labels, result }, counts[key] ?? 0),
    ),
  ];
}

function declaredBy(instance: Instance): readonly Declared[] {
  const { name, netns } = instance.target;
  const labels = { object: name, program: name, place: `netns ${netns ?? ""}`.trimEnd() };
  return (instance.declared?.() ?? []).map((one) => ({ ...one, labels }));
}
