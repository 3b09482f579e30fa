// The same for TCP options and the low level, on mainline.
import {
  ArrayMap,
  atomicAdd,
  be16,
  be32,
  cstr,
  cstring,
  HashMap,
  htonl,
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
  ntohs,
  param,
  PerCpuArray,
  range,
  RingBuf,
  SkStorage,
  struct,
  ktimeNs,
  u32,
  u64,
  u8,
} from "tsbpf";
import { Callback, Op, sockOps, tcpOption, type OptionConn } from "tsbpf/tcp";
license("GPL");
class Payload extends struct({ kind: u8, addr: be32, seq: u32, port: be16 }, { packed: true }) {}
class Big extends struct({ a: u32, b: u64 }) {}
class Hit extends struct({ n: u64, last: u64 }) {}
const counts = new LruHashMap({ key: be32, value: u64, maxEntries: 16 });
const hits = new HashMap({ key: Big, value: Hit, maxEntries: 16 });
const perCpu = new PerCpuArray({ value: Hit, maxEntries: 4 });
const trusted = new Ipv4Trie({ value: u32, maxEntries: 16 });
const store = new SkStorage({ value: Hit });
const events = new RingBuf({ value: Hit, bytes: 4096 });
const names = new ArrayMap({ value: cstring(16), maxEntries: 2, initial: [cstr("reno", 16), cstr("cubic", 16)] });
const wanted = param(u8, 3);
let total: u64 = 0n;
const table = [1, 2, 4, 8];
function off(conn: OptionConn, n: u32) {
  if (conn.dataSegsOut > n) conn.stopWriting();
}
export const first = tcpOption({
  experiment: 0x1234,
  payload: Payload,
  established(conn, side) {
    if (side === "client" || conn.localPort === 80) conn.startWriting();
  },
  write(conn, option) {
    option.kind = wanted;
    option.addr = conn.localIp4;
    option.seq = conn.sndNxt;
    option.port = htons(conn.localPort);
    off(conn, 3);
  },
  parse(conn, option) {
    const g = store.getOrCreate(conn);
    if (!g) return;
    g.n += u64(option.seq);
    g.last = ktimeNs();
    counts.set(option.addr, g.n);
    total += counts.get(option.addr) ?? 1n;
    if (option.port === htons(1)) off(conn, 1);
    const name = names.get(option.kind);
    if (name) conn.setSockOpt("TCP_CONGESTION", name);
    hits.set({ a: 1, b: g.n }, { n: 1n, last: 2n });
    const h = hits.get({ a: option.seq, b: 2n });
    if (h) {
      h.n++;
      atomicAdd(h, "last", 3n);
    }
    perCpu.get(2).n++;
    log`kind ${option.kind} from ${conn.remoteIp4} ${option.port}`;
    events.output({ n: 1n, last: g.last });
  },
  retransmitTimeout(conn) {
    conn.stopWriting();
  },
});
export const second = tcpOption({
  kind: 70,
  payload: Payload,
  established(conn) {
    conn.startWriting();
  },
  write(_conn, option) {
    option.seq = 4;
    option.addr = ipv4("1.2.3.4");
  },
  parse(conn, option) {
    if (inPrefix(option.addr, "10.0.0.0/8") && trusted.get(option.addr))
      conn.setSockOpt("TCP_BPF_IW", min(max(ntohl(htonl(option.seq)), 1), 40));
  },
});
export const raw = sockOps((ctx) => {
  switch (ctx.op) {
    case Op.ActiveEstablished:
    case Op.PassiveEstablished:
      ctx.setCallbacks(Callback.WriteOption | Callback.ParseUnknownOptions | Callback.State);
      break;
    case Op.State:
      if (ctx.newState === "close") store.delete(ctx);
      break;
    case Op.HeaderOptionLength:
      ctx.reserveOption(13);
      break;
    case Op.WriteHeaderOption:
      ctx.storeOption(71, new Payload({ kind: 2, port: ctx.remotePort }));
      break;
    case Op.ParseHeaderOption: {
      const option = ctx.loadOption(71, Payload);
      if (option && option.seq > 3) {
        total += u64(option.seq);
        const i = table[option.kind];
        if (i !== undefined) total += u64(i);
      }
      break;
    }
    case Op.Rto:
      if (ctx.timedOut) total++;
      break;
    default: {
      const v6 = ctx.remoteIp6;
      if (v6[0] === ipv6("2001:db8::1")[0]) total += 2n;
      for (const i of range(4)) total += u64(ntohl(v6[i]));
      if (ntohs(ctx.remotePort) > 3) ctx.reply = -1;
    }
  }
  return 1;
});
