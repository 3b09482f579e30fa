// Everything that a path manager can say: all types, statements, maps and calls, once.
import {
  array,
  ArrayMap,
  atomicAdd,
  be16,
  be32,
  clamp,
  cstr,
  cstring,
  HashMap,
  htonl,
  htonll,
  htons,
  Ipv4Trie,
  inPrefix,
  ipv4,
  ipv6,
  license,
  log,
  LruHashMap,
  max,
  min,
  ntohl,
  ntohll,
  ntohs,
  param,
  PerCpuArray,
  randomU32,
  range,
  RingBuf,
  SkStorage,
  sizeOf,
  struct,
  ktimeNs,
  u32,
  u64,
  u8,
  i32,
  i64,
  type Ref,
} from "tsbpf";
import { pathManager, type MptcpSession, type RemoteAddress } from "tsbpf/mptcp";
license("GPL");

class Inner extends struct({ a: u8, b: u32 }) {}
class Packed extends struct({ k: u8, addr: be32, w: u64 }, { packed: true }) {}
class Outer extends struct({
  inner: Inner,
  list: array(Inner, 3),
  name: cstring(16),
  p: Packed,
  bytes: array(u8, 8),
}) {}
class Hit extends struct({ n: u64, last: u64 }) {}
class Event extends struct({ token: u32, at: u64 }) {}

const outers = new HashMap({ key: u32, value: Outer, maxEntries: 16, pinned: true });
const counts = new LruHashMap({ key: be32, value: u64, maxEntries: 16 });
const perCpu = new PerCpuArray({ value: Hit, maxEntries: 4 });
const trusted = new Ipv4Trie({ value: u32, maxEntries: 16 });
const store = new SkStorage({ value: Hit });
const events = new RingBuf({ value: Event, bytes: 4096 * 4 });
const table = [1, 2, 4, 8];
const names = new ArrayMap({ value: cstring(16), maxEntries: 2, initial: [cstr("reno", 16), cstr("cubic", 16)] });
const Limits = { low: 10, high: 20, nested: { deep: 3 } } as const;
let total: u64 = 0n;
let last: be32 = ipv4("10.0.0.1");
let seen = false;
let count = 5;
const stats = new Hit({ n: 1n });
export const wanted = param(u32, 7);

function inc(h: Hit, by: u64 = 1n): u64 {
  h.n += by;
  return h.n;
}
function find(key: u32): Outer | undefined {
  return outers.get(key);
}
function maybe(x: u32): u32 | undefined {
  if (x > 3) return x * 2;
  return undefined;
}
function make(a: u8): Inner {
  return new Inner({ a, b: 7 });
}
function sumOf(list: Inner): u32 {
  return list.a + list.b;
}
function bump(r: Ref<u64>) {
  r.value += 2n;
}
function port(remote: RemoteAddress): be16 {
  return remote.port;
}
function choose(s: MptcpSession, flag: boolean) {
  return flag ? s.localIp4 : s.remoteIp4;
}

export const manager = pathManager({
  newSession(session) {
    const o = new Outer({ inner: { a: 1, b: 2 }, name: cstr("abc", 16) });
    o.list[1] = new Inner({ a: 3 });
    o.list[2].b = session.token;
    o.p.addr = session.remoteIp4;
    o.p.w = session.localKey;
    o.bytes[session.token & 7] = 9;
    const copy = o.inner;
    copy.a = 9;
    o.inner = copy;
    let x = 0;
    outer: for (const i of range(3)) {
      for (const e of o.list) {
        if (e.a === 3) continue outer;
        if (e.b === 100) break outer;
        x += e.a + i;
      }
    }
    outers.set(session.token, o, "insert");
    const r = counts.ref(session.remoteIp4);
    if (r) {
      r.value += 1n;
      bump(r);
      atomicAdd(r, "value", 5n);
    } else counts.set(session.remoteIp4, 1n);
    perCpu.get(1).n++;
    atomicAdd(stats, "n", 2n);
    total += stats.n + inc(stats) + inc(stats, 4n);
    last = session.remoteIp4;
    seen = !seen;
    count = count + x;
    log`x ${x} from ${session.remoteIp4} port ${session.remotePort}`;
    log`k ${session.localKey} ${seen}`;
  },
  fullyEstablished(session, isMaster) {
    const o = find(session.token);
    const v = o?.list[1]?.b ?? 5;
    const m = maybe(v) ?? Limits.nested.deep;
    const c = counts.get(session.remoteIp4) ?? 0n;
    const q = trusted.get(session.remoteIp4);
    if (q !== undefined && q > 3) count += q;
    if (o && isMaster) {
      const i = make(3);
      o.list[0] = i;
      o.inner = { a: o.list[0].a, b: o.inner.b };
      count += sumOf(o.inner) + sizeOf(Inner);
      for (const slot of o.list) {
        slot.a = 1;
        if (slot.b) slot.b -= 1;
      }
      o.p = new Packed({ k: 1, w: 3n });
    }
    const f = session.state === "established" ? 1 : 2;
    const t = table[v & 3];
    const u = table[v];
    let w: i32 = -5;
    w = (w >> 1) + i32(v);
    w += -3;
    const d = (i64(w) * -2n) / 3n;
    switch (v) {
      case 1:
      case 2:
        count++;
        break;
      case Limits.low: {
        count--;
        break;
      }
      default:
        count ^= 3;
    }
    switch (session.remoteIp4) {
      case last:
        count = 1;
        break;
      case ipv4("1.2.3.4"):
        count = 2;
        break;
    }
    const g = store.getOrCreate(session);
    if (g) {
      g.last = ktimeNs();
      g.n += u64(t ?? 0) + c + u64(d);
    }
    events.output({ token: session.token, at: ktimeNs() });
    session.openSubflow({
      from: { addr: choose(session, isMaster) },
      to: { addr: session.remoteIp4, port: htons(443) },
    });
    session.openSubflow({ to: { addr: ipv6("2001:db8::1") } });
    if (session.family === 10) session.openSubflow({ to: { addr: session.remoteIp6 } });
    let k = 3;
    do {
      k -= 1;
      count += k;
    } while (k > 0);
    while (k < 4) k++;
    for (let z: u32 = 0, y = 3; z < y; z++) count += z;
    const cc = isMaster ? "cubic" : "reno";
    session.setSockOpt("TCP_CONGESTION", cc);
    const nm = names.get(1);
    session.setSockOpt("TCP_CONGESTION", nm);
    const to = session.getSockOpt("TCP_USER_TIMEOUT") ?? 100;
    const zz = clamp(to, 10, 1000) + min(m, 3) + max(f, 4) + (u ?? 0) + (randomU32() % 7);
    count += zz >>> 1;
    if (inPrefix(session.localIp4, "10.0.0.0/8") || (!isMaster && ntohl(session.localIp4) > 3)) count = 0;
    const big = htonll(ntohll(htonll(5n)) + 1n);
    if (big === htonll(6n)) count += ntohs(session.remotePort) + ntohl(htonl(3));
    count &= ~7;
    count += isMaster && seen ? 1 : 0;
    count = ((count += 2), count * 2);
  },
  addRemoteAddress(session, remote) {
    if (port(remote) === htons(80)) session.openSubflow({ to: { addr: remote.addr, port: remote.port } });
    if (remote.family === 10) session.openSubflow({ to: { addr: remote.addr6 } });
    session.openSubflow({ from: { addr: session.localIp4 }, to: { addr: remote.addr, port: remote.port }, backup: seen });
    session.openSubflow({ to: { addr: remote.addr }, backup: false });
    session.closeSubflow();
    session.setPriority(true, { to: { addr: remote.addr } });
  },
  subflowEstablished(session, localId, remoteId, backup, isMaster) {
    if (backup && !isMaster) log`${localId} ${remoteId}`;
    void session;
  },
  subflowPriority(session, localId, _remoteId, backup) {
    if (backup) log`${localId}`;
    void session;
  },
  subflowClosed(session, _l, _r, error) {
    if (error > 0) session.openSubflow();
  },
  addLocalAddress(session, local, byLink) {
    if (!byLink) session.openSubflow({ from: { addr: local.addr } });
    for (const one of session.localAddresses()) if (one.family === 10) session.openSubflow({ from: { addr: one.addr6 } });
  },
  removeLocalAddress(session, local, byLink) {
    if (!byLink) session.closeSubflow({ from: { addr: local.addr } });
  },
  acceptSubflow(_session, remoteId, backup) {
    return remoteId < 4 || backup;
  },
});
