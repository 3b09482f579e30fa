/** Every metric that the runtime tells of by itself, with its words and labels: names and units are Prometheus's. */
interface MetricRow {
  readonly type: "counter" | "gauge";
  readonly help: string;
  readonly labels: readonly string[];
}
/** A program of the kernel's: the object that it is pinned with, its name, its type, where it is attached, and its number. */
const PROGRAM = ["object", "program", "kind", "place", "id"] as const;
const MAP = ["object", "map", "kind", "id"] as const;
/** A path manager over netlink: its name in the service's file and its network namespace. */
const MANAGER = ["program", "netns"] as const;

export const METRICS = {
  tsbpf_build_info: { type: "gauge", help: "The tsbpf that tells of all this: always 1.", labels: ["version"] },
  tsbpf_stats_enabled: {
    type: "gauge",
    help: "Whether the kernel counts runs of programs and their time (kernel.bpf_stats_enabled): what is not counted stands still.",
    labels: [],
  },
  tsbpf_program_info: {
    type: "gauge",
    help: "A program in the kernel, with the tag of its instructions and, of a service, the digest of its object: always 1.",
    labels: [...PROGRAM, "tag", "digest"],
  },
  tsbpf_program_attachments: { type: "gauge", help: "Places where a program is attached.", labels: PROGRAM },
  tsbpf_program_runs_total: { type: "counter", help: "Runs of a program while runs were counted.", labels: PROGRAM },
  tsbpf_program_run_seconds_total: {
    type: "counter",
    help: "Time in a program while runs were counted; with the runs, the time of one.",
    labels: PROGRAM,
  },
  tsbpf_program_missed_runs_total: {
    type: "counter",
    help: "Runs that the kernel left out because the program was running on that CPU already.",
    labels: PROGRAM,
  },
  tsbpf_program_instructions: { type: "gauge", help: "Instructions of a program, as it was loaded.", labels: PROGRAM },
  tsbpf_program_loaded_seconds: { type: "gauge", help: "Time since a program was loaded.", labels: PROGRAM },
  tsbpf_map_entries: {
    type: "gauge",
    help: "Entries in a map with keys; of maps with room for more than 65536 they are not counted.",
    labels: MAP,
  },
  tsbpf_map_max_entries: {
    type: "gauge",
    help: "Entries that a map has room for; of a ring buffer its bytes.",
    labels: MAP,
  },
  tsbpf_map_memory_bytes: { type: "gauge", help: "Memory that the kernel has set aside for a map.", labels: MAP },
  tsbpf_ring_dropped_records_total: {
    type: "counter",
    help: "Records that did not fit into a ring buffer, as its program counts them in a variable or map named after it (eventsDropped).",
    labels: ["object", "ring"],
  },
  tsbpf_options_without_room_total: {
    type: "counter",
    help: "Segments that had no room for an option that a program wanted to write (patched kernel).",
    labels: ["netns"],
  },
  tsbpf_mptcp_sessions: { type: "gauge", help: "Open MPTCP sessions.", labels: ["netns"] },
  tsbpf_mptcp_subflows: {
    type: "gauge",
    help: "Subflows of open MPTCP sessions: active ones, backups, and those whose peer has not confirmed them yet (joining).",
    labels: ["netns", "state"],
  },
  tsbpf_path_manager_sessions: {
    type: "gauge",
    help: "Sessions that a path manager over netlink manages.",
    labels: MANAGER,
  },
  tsbpf_path_manager_events_total: {
    type: "counter",
    help: "Events of sessions that a path manager was told of.",
    labels: MANAGER,
  },
  tsbpf_path_manager_subflows_total: {
    type: "counter",
    help: "Subflows that a path manager asked for: created, or refused by the kernel; and those of the peer that it turned away.",
    labels: [...MANAGER, "result"],
  },
  tsbpf_path_manager_overruns_total: {
    type: "counter",
    help: "Times that the kernel dropped events because the path manager was too slow, and its list was asked instead.",
    labels: MANAGER,
  },
  tsbpf_service_start_time_seconds: { type: "gauge", help: "When the service was started, in Unix time.", labels: [] },
  tsbpf_service_programs: {
    type: "gauge",
    help: "Programs of the service at their places, by what they do.",
    labels: ["state"],
  },
  tsbpf_service_reloads_total: {
    type: "counter",
    help: "Times that the service read its file again.",
    labels: ["result"],
  },
  tsbpf_service_log_entries_total: {
    type: "counter",
    help: "Entries of the service's log, shown or not.",
    labels: ["level"],
  },
  tsbpf_metric_conflicts: {
    type: "gauge",
    help: "Metrics of programs that are left out, because another program declares the name as another type.",
    labels: [],
  },
} as const satisfies Readonly<Record<`tsbpf_${string}`, MetricRow>>;
export type MetricName = keyof typeof METRICS;
type LabelsOf<N extends MetricName> = Readonly<Record<(typeof METRICS)[N]["labels"][number], string>>;

export interface Sample {
  readonly name: MetricName;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}
/** One number, with exactly the labels of its row. */
export const sample = <N extends MetricName>(name: N, labels: LabelsOf<N>, value: number | bigint): Sample => ({
  name,
  labels,
  value: Number(value),
});
