// Thin connections: further subflows only for those that carry something.
//
// Why: most connections are over within a few round trips. A subflow that is opened for one of them is three segments and two computed HMACs
// for nothing, on the radio that costs more.
//
// How: a timer looks at the first subflow now and then, more and more seldom while little happens. Once it has carried `worthBytes`, a subflow is
// opened from each other address of this host.
import { HashMap, license, log, min, param, u32, u64 } from "tsbpf";
import { pathManager } from "tsbpf/mptcp";

license("GPL");

/** Bytes in both directions from which on a connection is worth more than one subflow. */
export const worthBytes = param(u32, 100_000);
/** Milliseconds until the first look, and at most between two; no more than a day. */
export const firstLookMs = param(u32, 200);
export const longestWaitMs = param(u32, 10_000);

const AF_INET = 2;
const AF_INET6 = 10;
const SERVER_SIDE = 1;
/** A timer's longest time, in milliseconds. */
const DAY: u32 = 86_400_000;

/** Sessions with one subflow: milliseconds until the next look, by token. */
export const thin = new HashMap({ key: u32, value: u32, maxEntries: 4096 });

export const thinConnections = pathManager({
  fullyEstablished(session, isMaster) {
    if (!isMaster || (session.flags & SERVER_SIDE) !== 0) return; // nobody listens on a client's port
    const wait = min(firstLookMs, DAY);
    if (thin.set(session.token, wait) !== 0) log`no room for session ${session.token}: it keeps one subflow`;
    else session.setTimer(wait);
  },

  timer(session, _localId, _remoteId, _backup, isMaster) {
    const wait = isMaster ? thin.ref(session.token) : undefined;
    if (!wait) return;
    if (session.bytesReceived + session.bytesAcked < u64(worthBytes)) {
      wait.value = min(wait.value * 2, min(longestWaitMs, DAY));
      session.setTimer(wait.value);
      return;
    }
    thin.delete(session.token);
    if (session.family === AF_INET) {
      for (const local of session.localAddresses())
        if (local.family === AF_INET && local.addr !== session.localIp4)
          session.openSubflow({ from: { addr: local.addr } });
    } else if (session.family === AF_INET6) {
      for (const local of session.localAddresses()) {
        if (local.family !== AF_INET6) continue;
        const here = local.addr6;
        const own = session.localIp6;
        if (here[0] === own[0] && here[1] === own[1] && here[2] === own[2] && here[3] === own[3]) continue;
        session.openSubflow({ from: { addr: here } });
      }
    }
  },

  closeSession(session) {
    thin.delete(session.token);
  },
});
