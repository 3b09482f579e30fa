// Backup by round-trip time: of the ways to a peer, those that take much longer are kept for when the others fail.
//
// Why: data that goes out over a slow way is waited for by all that came over the quick one. Where the quick one carries everything, the slow one
// is worth having only when that breaks: it becomes a backup (RFC 8684, section 3.3.8), which the peer is told, too.
//
// How: the handshake of a subflow has measured its round-trip time by the time it is up. One that took more than `factor` times as long as the
// quickest of its session becomes a backup; one that is so much quicker makes the quickest so far one.
import { be32, HashMap, Ip6, license, log, param, struct, u32, u8 } from "tsbpf";
import { pathManager, type MptcpSession } from "tsbpf/mptcp";

license("GPL");

/** How many times as long is much longer. */
export const factor = param(u8, 2);

const AF_INET6 = 10;

class Quickest extends struct({ srttUs: u32, family: u32, from6: Ip6, to6: Ip6, from: be32, to: be32 }) {}
/** By session token. */
export const quickest = new HashMap({ key: u32, value: Quickest, maxEntries: 1024 });

function fill(one: Quickest, session: MptcpSession) {
  one.srttUs = session.srttUs;
  one.family = session.family;
  one.from6 = session.localIp6;
  one.to6 = session.remoteIp6;
  one.from = session.localIp4;
  one.to = session.remoteIp4;
}

export const backupByRtt = pathManager({
  subflowEstablished(session) {
    const srttUs = session.srttUs;
    if (srttUs === 0) return;
    const best = quickest.get(session.token);
    if (!best) {
      const first = new Quickest();
      fill(first, session);
      if (quickest.set(session.token, first) !== 0)
        log`no room for session ${session.token}: none of it becomes a backup`;
      return;
    }
    if (srttUs > best.srttUs * factor) {
      session.setPriority(true);
      return;
    }
    if (srttUs >= best.srttUs) return;
    if (srttUs * factor < best.srttUs) {
      if (best.family === AF_INET6) session.setPriority(true, { from: { addr: best.from6 }, to: { addr: best.to6 } });
      else session.setPriority(true, { from: { addr: best.from }, to: { addr: best.to } });
    }
    fill(best, session);
  },

  closeSession(session) {
    quickest.delete(session.token);
  },
});
