/** `simulateSessions`: MPTCP sessions over several paths, for some simulated time. */
import { borrow } from "../../host.ts";
import type { HookViewParts } from "../../hook-view.ts";
import { schedulerName, schedulerParts } from "../../scheduler-view.ts";
import { BEGIN, createClock, type Clock } from "../clock.ts";
import { createFlow, schemeFor, type Flow, type Owner } from "../flow.ts";
import { ending, pass, samplesOf, watchedPath, type Ends, type WatchedPath } from "../run.ts";
import { SimulationError } from "../units.ts";
import { sessionsPlanOf, type SessionPlan, type SessionSimulationOptions, type SubflowPlan } from "./options.ts";
import { sessionsRunOf, type SessionRecord, type SessionsRun } from "./results.ts";
import { attachScheduler, type SchedulerCalls } from "./scheduler.ts";
import { createSession, type Session } from "./session.ts";
import type { Subflow } from "./subflow.ts";

type Parts = HookViewParts<"mptcp_sched_ops">;

function partsOf(given: unknown, place: string): Parts {
  const parts = typeof given === "object" && given !== null ? schedulerParts(given) : undefined;
  if (parts) return parts;
  throw new SimulationError(place, "this is no loaded packet scheduler", "give an export of a module that load() gave");
}

interface Surroundings {
  readonly clock: Clock;
  readonly paths: readonly WatchedPath[];
  readonly mss: readonly number[];
  readonly samples: number;
  readonly ends: Ends;
}
/** A session of a run, and what is noted of it. */
interface Watched {
  readonly record: SessionRecord;
  sample(at: number): void;
  close(): void;
}

const noCalls = (): SchedulerCalls => ({ getSend: 0, getRetrans: 0, init: 0, release: 0 });

function watchedSession(parts: Parts, plan: SessionPlan, index: number, around: Surroundings): Watched {
  const { clock, samples, ends } = around;
  const series = (): Float64Array => new Float64Array(samples);
  const calls = noCalls();
  const name = schedulerName(parts);
  const seconds = (): number => (clock.now - BEGIN) / 1e9;
  const session = createSession({
    clock,
    facts: { token: index + 1, tos: plan.tos, priority: plan.priority },
    window: plan.window,
    attach: (seen) =>
      attachScheduler(parts, seen, { now: () => clock.now, who: `session ${index} (${name})`, calls }, ends.atEnd),
    finished: () => (record.finished = seconds()),
  });
  const flows = plan.subflows.map((subflow, at) => ({
    path: subflow.path,
    sent: series(),
    ...subflowOf(session, subflow, at, index, around),
  }));
  const record: SessionRecord = {
    name,
    start: plan.start / 1e9,
    delivered: series(),
    duplicates: series(),
    copied: series(),
    reinjected: series(),
    finished: undefined,
    calls,
    subflows: flows.map(({ path, sent, flow }) => ({ path, sent, flow: flow.record })),
  };
  for (const [at, { at: time, bytes }] of plan.writes.entries())
    clock.at(BEGIN + time, () => session.write(bytes, at === plan.writes.length - 1 && bytes !== Infinity));
  return {
    record,
    sample(at) {
      record.delivered[at] = session.received;
      record.duplicates[at] = session.duplicates;
      record.copied[at] = session.copied;
      record.reinjected[at] = session.reinjected;
      for (const { sent, flow, bytesSent } of flows) {
        flow.sample(at);
        sent[at] = bytesSent();
      }
    },
    close() {
      for (const { flow } of flows) flow.close();
      session.close();
    },
  };
}

/** A subflow: a flow whose application is the session. */
function subflowOf(
  session: Session,
  { path: pathIndex, congestionControl, place, backup, requestBackup, flow: plan }: SubflowPlan,
  at: number,
  index: number,
  { clock, paths, mss, samples, ends }: Surroundings,
): { readonly flow: Flow; bytesSent(): number } {
  let subflow: Subflow | undefined;
  const owner: Owner = {
    opened: (sender) => (subflow = session.open(sender, { id: at + 1, localId: pathIndex, backup, requestBackup })),
    arrived: (nextByte) => session.arrived(subflow!, nextByte),
    says: () => session.received,
    heard: (acknowledged) => session.heard(subflow!, acknowledged),
  };
  const flow = createFlow({
    clock,
    path: paths[pathIndex]!.path,
    scheme: schemeFor(congestionControl, `${place}.congestionControl`, ends),
    index: at,
    who: `session ${index}, subflow ${at}`,
    place,
    mss: mss[pathIndex]!,
    plan,
    samples,
    owner,
  });
  return { flow, bytesSent: () => subflow?.sock.bytesSent ?? 0 };
}

/** See tsbpf/testing's declarations. */
export function simulateSessions(options: SessionSimulationOptions): SessionsRun {
  const plan = sessionsPlanOf(options);
  return ending(plan.seed, (ends) => {
    const clock = createClock();
    const samples = samplesOf(plan);
    const paths = plan.paths.map((one, at) => watchedPath(clock, one, plan.seed + at, samples));
    const around: Surroundings = { clock, paths, mss: plan.paths.map(({ mss }) => mss), samples, ends };
    const schedulers = options.sessions.map(({ scheduler }, at) => partsOf(scheduler, `sessions[${at}].scheduler`));
    for (const { shared } of schedulers) ends.atEnd(borrow(shared.host, plan.seed));
    const sessions = plan.sessions.map((one, at) => watchedSession(schedulers[at]!, one, at, around));
    const time = new Float64Array(samples);
    pass(clock, plan, (at, seconds) => {
      time[at] = seconds;
      for (const one of [...paths, ...sessions]) one.sample(at);
    });
    for (const one of sessions) one.close();
    return sessionsRunOf({
      time,
      paths: paths.map(({ record }) => record),
      sessions: sessions.map(({ record }) => record),
    });
  });
}
