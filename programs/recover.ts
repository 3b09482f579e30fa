// Recover: a subflow that broke is opened again between its two addresses, with back-off.
//
// Why: a radio that was out of reach for a while takes its subflows with it, and nobody opens them again: the session goes on over what is
// left, until it ends. Opening them at once, and again and again, is no better: the peer may refuse, or the address be gone.
//
// How: what ends with an error is opened again, at once the first time, then after 1, 2, 4 … seconds, at most `longestWaitSeconds`; after
// `mostFailures` in a row it is left alone. A subflow that was up for longer than that longest wait begins anew. Four pairs of addresses are
// remembered for each session.
import { array, be16, be32, HashMap, Ip6, ktimeNs, license, log, min, param, struct, u32, u64, u8 } from "tsbpf";
import { pathManager, type MptcpSession } from "tsbpf/mptcp";

license("GPL");

/** Seconds. */
export const longestWaitSeconds = param(u32, 60);
export const mostFailures = param(u8, 8);

const AF_INET6 = 10;
const SERVER_SIDE = 1;
const MILLISECOND: u64 = 1_000_000n;

class Pair extends struct({
  from6: Ip6,
  to6: Ip6,
  from: be32,
  to: be32,
  /** When it was last asked for, or may be next. */
  sinceNs: u64,
  family: u32,
  port: be16,
  /** In a row; 0: this slot is free. */
  failures: u8,
  /** It is to be opened when its time comes. */
  waits: u8,
}) {}
class Pairs extends struct({ list: array(Pair, 4) }) {}

/** What broke, by session token. */
export const broken = new HashMap({ key: u32, value: Pairs, maxEntries: 1024 });

function open(session: MptcpSession, pair: Pair, now: u64) {
  pair.waits = 0;
  pair.sinceNs = now;
  const port = pair.port;
  if (pair.family === AF_INET6) session.openSubflow({ from: { addr: pair.from6 }, to: { addr: pair.to6, port } });
  else session.openSubflow({ from: { addr: pair.from }, to: { addr: pair.to, port } });
}

/** Between the addresses of the event's subflow? */
function isOf(pair: Pair, session: MptcpSession): boolean {
  if (pair.failures === 0 || pair.family !== session.family || pair.port !== session.remotePort) return false;
  if (pair.family !== AF_INET6) return pair.from === session.localIp4 && pair.to === session.remoteIp4;
  const from = session.localIp6;
  const to = session.remoteIp6;
  const sameFrom =
    pair.from6[0] === from[0] && pair.from6[1] === from[1] && pair.from6[2] === from[2] && pair.from6[3] === from[3];
  return sameFrom && pair.to6[0] === to[0] && pair.to6[1] === to[1] && pair.to6[2] === to[2] && pair.to6[3] === to[3];
}

/** One failure more: opened at once, or when its time comes, or never. */
function failed(session: MptcpSession, pair: Pair, now: u64) {
  const longestMs = longestWaitSeconds * 1000;
  if (pair.failures > 0 && now - pair.sinceNs > u64(longestMs) * MILLISECOND) pair.failures = 0;
  if (pair.failures >= mostFailures) {
    log`session ${session.token}: a subflow to port ${session.remotePort} broke ${pair.failures} times, and is left alone`;
    return;
  }
  pair.failures = u8(min(pair.failures + 1, 255));
  if (pair.failures === 1) return open(session, pair, now);
  const waitMs = min(1000 << min(pair.failures - 2, 16), longestMs);
  pair.sinceNs = now + u64(waitMs) * MILLISECOND;
  pair.waits = 1;
  session.setTimer(waitMs);
}

export const recover = pathManager({
  newSession(session) {
    if ((session.flags & SERVER_SIDE) !== 0) return; // nobody listens on a client's port
    if (broken.set(session.token, new Pairs()) !== 0)
      log`no room for session ${session.token}: nothing is opened again`;
  },

  subflowClosed(session, _localId, _remoteId, error) {
    const pairs = broken.get(session.token);
    if (!pairs || error === 0) return;
    const now = ktimeNs();
    let isKnown = false;
    for (const pair of pairs.list) {
      if (isKnown || !isOf(pair, session)) continue;
      isKnown = true;
      failed(session, pair, now);
    }
    for (const pair of pairs.list) {
      if (isKnown || pair.failures !== 0) continue;
      isKnown = true;
      pair.family = session.family;
      pair.from = session.localIp4;
      pair.to = session.remoteIp4;
      pair.from6 = session.localIp6;
      pair.to6 = session.remoteIp6;
      pair.port = session.remotePort;
      failed(session, pair, now);
    }
  },

  timer(session) {
    const pairs = broken.get(session.token);
    if (!pairs) return;
    const now = ktimeNs();
    for (const pair of pairs.list) {
      if (!pair.waits) continue;
      if (now >= pair.sinceNs) open(session, pair, now);
      else session.setTimer(u32((pair.sinceNs - now) / MILLISECOND) + 1);
    }
  },

  closeSession(session) {
    broken.delete(session.token);
  },
});
