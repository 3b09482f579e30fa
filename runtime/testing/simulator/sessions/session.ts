/** An MPTCP session that sends: what its scheduler is asked for, and what becomes of the answer (net/mptcp/protocol.c, sched.c, pm.c). */
import { afterTicks, createTimer, TICKS_PER_SECOND, type Clock } from "../clock.ts";
import type { Sender } from "../sender/state.ts";
import { createReassembly } from "./reassembly.ts";
import type { AttachedScheduler, SeenSession } from "./scheduler.ts";
import { createStream } from "./stream.ts";
import { createSubflow, type Subflow, type SubflowFacts } from "./subflow.ts";

/** TCP_RTO_MIN, for a session none of whose subflows waits for an acknowledgement. */
const LEAST_TIMEOUT_TICKS = TICKS_PER_SECOND / 5;
/** net.mptcp.stale_loss_cnt: time-outs without a word from the peer. */
const STALE_AFTER = 4;
const MOST_STALE_COUNT = 255;
/** tcp_wmem[0]: what a session's send buffer has beside those of its subflows. */
const OWN_SNDBUF = 4096;

export interface SessionParts {
  readonly clock: Clock;
  readonly facts: Pick<SeenSession, "token" | "tos" | "priority">;
  /** Bytes that the peer takes beyond what it has in order. */
  readonly window: number;
  readonly attach: (session: SeenSession) => AttachedScheduler;
  /** All that the application wrote is acknowledged, and it writes no more. */
  readonly finished: () => void;
}
export interface Session {
  /** Bytes that the peer has in order; that it got more than once; that several subflows were given because the scheduler chose them; that one was given because another got nowhere with them. */
  readonly received: number;
  readonly duplicates: number;
  readonly copied: number;
  readonly reinjected: number;
  open(sender: Sender, facts: SubflowFacts): Subflow;
  /** The peer has the subflow's bytes up to here. */
  arrived(subflow: Subflow, nextByte: number): void;
  /** An acknowledgement on the subflow says that the peer has the stream up to here. True: the application waits for room. */
  heard(subflow: Subflow, acknowledged: number): boolean;
  /** The application writes so many bytes; `isLast`: the last ones. */
  write(bytes: number, isLast: boolean): void;
  close(): void;
}

export function createSession({ clock, facts, window, attach, finished }: SessionParts): Session {
  const stream = createStream();
  const peer = createReassembly();
  const subflows: Subflow[] = [];
  let [copied, reinjected] = [0, 0];
  /** What the application has still to write as soon as there is room; and whether it waits for that. */
  let unwritten = 0;
  let isWaiting = false;
  let isOpenEnded = true;
  let isFinished = false;
  let timeoutTicks = LEAST_TIMEOUT_TICKS;
  const timer = createTimer(clock, retransmit);

  const seen = {
    ...facts,
    burst: 0,
    bytesRetrans: 0,
    windowEnd: window,
    get written() {
      return stream.written;
    },
    get next() {
      return stream.next;
    },
    get una() {
      return stream.una;
    },
    get isRecovering() {
      return stream.isRecovering;
    },
    get wmemQueued() {
      return stream.written - stream.una;
    },
    get sndbuf() {
      return subflows.reduce((sum, { sock }) => sum + sock.sndbuf, OWN_SNDBUF);
    },
  };
  const scheduler = attach(seen);
  scheduler.call("init");

  /** mptcp_sendmsg: as much as there is room for. Who had to wait goes on when a third of the buffer is free again. */
  function refill(): boolean {
    if (subflows.length === 0 || unwritten === 0) return false;
    const room = seen.sndbuf - seen.wmemQueued;
    if (room <= 0 || (isWaiting && room < seen.wmemQueued / 2)) {
      isWaiting = true;
      return false;
    }
    const bytes = Math.min(unwritten, room);
    stream.write(bytes);
    unwritten -= bytes;
    isWaiting = unwritten > 0;
    return true;
  }

  /** What the scheduler chose counts as far as it can send (mptcp_sched_picked); how long to wait follows from the subflows. */
  function choose(handler: "getSend" | "getRetrans"): boolean {
    const isFound = scheduler.call(handler);
    let isPicked = false;
    for (const one of subflows) {
      if (!one.scheduled) continue;
      if (isFound && one.isMemoryFree) isPicked = true;
      else one.scheduled = false;
    }
    timeoutTicks = Math.max(0, ...subflows.map((one) => one.timeoutTicks())) || LEAST_TIMEOUT_TICKS;
    return isPicked;
  }
  const startTimer = (): void => timer.set(afterTicks(clock, timeoutTicks));

  /** __mptcp_push_pending: what waits goes to those that the scheduler chooses, burst by burst. */
  function push(): void {
    let isNew = false;
    let last: Subflow | undefined;
    for (let pushed = 1; stream.pending && pushed > 0;) {
      if (!choose("getSend")) break;
      pushed = 0;
      for (const one of subflows) {
        if (!one.scheduled) continue;
        one.scheduled = false;
        if (last !== one) last?.flush();
        last = one;
        if (one.copy) pushCopy(one);
        else if (pushNew(one)) isNew = true;
        else continue;
        pushed++;
      }
    }
    last?.flush();
    if (isNew && !timer.isSet) startTimer();
  }
  /** What no subflow has been given yet, or a stale one has; the others that are scheduled are to send the same. */
  function pushNew(subflow: Subflow): boolean {
    const from = stream.pendingFrom;
    for (let one = stream.pending; one; one = stream.pending) {
      const start = one.start + one.sent;
      const end = Math.min(one.end, seen.windowEnd);
      if (end <= start) break;
      const isWhole = end === one.end;
      subflow.give(start, end);
      reinjected += stream.give(end - start);
      seen.burst -= end - start;
      if (!isWhole || seen.burst <= 0 || !subflow.isMemoryFree) break;
    }
    const end = stream.pendingFrom;
    if (end === from) return false;
    for (const other of subflows)
      if (other.scheduled) other.copy = { start: other.copy?.end === from ? other.copy.start : from, end };
    return true;
  }
  /** What there is no room for is left out: it is on its way elsewhere. */
  function pushCopy(subflow: Subflow): void {
    const { start, end } = subflow.copy!;
    subflow.copy = undefined;
    for (const part of stream.given(start, end)) {
      if (!subflow.isMemoryFree) return;
      subflow.give(part.start, part.end);
      copied += part.end - part.start;
    }
  }

  /** __mptcp_retrans, when nothing was acknowledged for a time-out: the first fragment once more. */
  function retransmit(): void {
    for (const one of subflows) if (one.isBusy) checkStale(one);
    const isFound = choose("getRetrans");
    const { oldest } = stream;
    let most = 0;
    for (const one of subflows) {
      if (!one.scheduled) continue;
      one.scheduled = false;
      const bytes = isFound && oldest ? Math.min(oldest.sent, seen.windowEnd - oldest.start) : 0;
      if (bytes <= 0) continue;
      one.give(oldest!.start, oldest!.start + bytes);
      one.flush();
      most = Math.max(most, bytes);
      reinjected += bytes;
    }
    seen.bytesRetrans += most;
    if (!oldest && !stream.pending) return;
    push();
    if (!timer.isSet) startTimer();
  }
  /** mptcp_pm_subflow_chk_stale: it has something under way. */
  function checkStale(one: Subflow): void {
    if (one.staleCount === 0) {
      one.staleHeardAt = one.heardAt;
      one.staleCount = 1;
    } else if (one.staleHeardAt === one.heardAt) {
      one.staleCount = Math.min(one.staleCount + 1, MOST_STALE_COUNT);
      if (!one.stale && one.staleCount > STALE_AFTER) abandon(one);
    } else {
      one.staleCount = 0;
      one.stale = false;
    }
  }
  /** Where another one is alive, what this one has got nowhere with is theirs. */
  function abandon(subflow: Subflow): void {
    if (!subflows.some((one) => one !== subflow && !one.stale && one.staleCount < STALE_AFTER - 1)) return;
    subflow.stale = true;
    if (stream.recover()) seen.burst = 0;
    push();
  }

  return {
    get received() {
      return peer.next;
    },
    get duplicates() {
      return peer.duplicates;
    },
    get copied() {
      return copied;
    },
    get reinjected() {
      return reinjected;
    },
    open(sender, subflowFacts) {
      const subflow = createSubflow(clock, sender, subflowFacts);
      subflows.push(subflow);
      scheduler.add(subflow);
      refill();
      push();
      return subflow;
    },
    arrived(subflow, nextByte) {
      for (const { start, end } of subflow.arrived(nextByte)) peer.take(start, end);
    },
    // ack_update_msk, and __mptcp_clean_una.
    heard(subflow, acknowledged) {
      subflow.heardAt = clock.ticks;
      if (subflow.stale && subflow.heardAt !== subflow.staleHeardAt) subflow.stale = false;
      seen.windowEnd = Math.max(seen.windowEnd, acknowledged + window);
      push();
      if (acknowledged <= stream.una) return isWaiting;
      stream.acknowledge(acknowledged);
      const isAll = stream.una === stream.written;
      if (isAll) timer.clear();
      else startTimer();
      if (refill()) push();
      if (!isAll || isOpenEnded || unwritten > 0 || isFinished) return isWaiting;
      isFinished = true;
      finished();
      return false;
    },
    write(bytes, isLast) {
      unwritten += bytes;
      if (isLast) isOpenEnded = false;
      refill();
      push();
    },
    close() {
      timer.clear();
      scheduler.call("release");
    },
  };
}
