/** All experiments, in the paper's order. */
import { delayedAck } from "./delayed-ack.ts";
import { eventsLost } from "./events-lost.ts";
import type { Experiment } from "./experiment.ts";
import { fig5 } from "./fig5.ts";
import { fig6 } from "./fig6.ts";
import { flows } from "./flows.ts";
import { overhead } from "./overhead.ts";
import { multipath } from "./multipath.ts";
import { pathManagers } from "./path-managers.ts";
import { tables } from "./tables.ts";
import { userTimeout } from "./user-timeout.ts";

export const EXPERIMENTS: readonly Experiment[] = [
  overhead,
  fig5,
  fig6,
  userTimeout,
  delayedAck,
  pathManagers,
  eventsLost,
  multipath,
  flows,
  tables,
];
