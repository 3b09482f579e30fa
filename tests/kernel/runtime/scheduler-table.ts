/** The bundled schedulers, the names that they are chosen by, and what is told of them from inside of the virtual machine. */
export const SCHEDULERS = {
  first: "ts_first",
  backup: "ts_backup",
  "round-robin": "ts_roundrobin",
  redundant: "ts_redundant",
  burst: "ts_burst",
  weighted: "ts_weighted",
  "by-dscp": "ts_by_dscp",
} as const;
export type SchedulerName = keyof typeof SCHEDULERS;
/** Bytes that each session sends. */
export const SENT = 1_000_000;

/** What is told of one: the data arrived, and how many bytes left over each link. */
export interface SchedulerFinding {
  readonly name: string;
  readonly listed: boolean;
  readonly intact: boolean;
  readonly first: number;
  readonly second: number;
  readonly gone: boolean;
}
