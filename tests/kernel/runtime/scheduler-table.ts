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

/** Bytes that are sent when a path is dead. */
export const MOVED = 300_000;
/** What is told of schedulers under load. */
export type LoadFinding =
  | { readonly what: "failover"; readonly name: string; readonly moved: boolean; readonly seconds: number }
  | {
      readonly what: "churn";
      readonly sessions: number;
      readonly intact: number;
      readonly inits: number;
      readonly releases: number;
      readonly gone: boolean;
    }
  | {
      readonly what: "many";
      readonly opened: number;
      readonly accepted: number;
      readonly inits: number;
      readonly picks: number;
      readonly releases: number;
      readonly seconds: number;
    }
  | { readonly what: "lacking" }
  | { readonly what: "error"; readonly message: string };

/** Two unequal links whose queues do not run over (what a host's own queue drops its TCP knows of, and it is no loss), and what is sent over them: `first` bytes when the session begins, `bytes` when both subflows are there. */
export const SHAPE = {
  links: [
    { rateMbit: 8, delayMs: 20, queue: 1000 },
    { rateMbit: 2, delayMs: 20, queue: 1000 },
  ],
  first: 1000,
  bytes: 2_000_000,
} as const;
/** Bytes that left over each link, headers included; how long it took until all were there. */
export interface ShapeFinding {
  readonly name: string;
  readonly bytes: readonly number[];
  readonly seconds: number;
}
