// Hooks of system calls: all that they have.
import { array, be32, cstring, HashMap, htonl, htons, ipv4, ipv6, license, log, min, SkStorage, struct, u16, u32, u64 } from "tsbpf";
import { connectHook, type Connect4Ctx, type ConnectCtx } from "tsbpf/connect";
import { Level, SocketOption, sockOptHook, TcpSocketOption, type GetSockOptCtx, type SetSockOptCtx, type SockOptCtx } from "tsbpf/sockopt";

license("GPL");

class Seen extends struct({ pid: u32, uid: u32, cookie: u64, family: u32, type: u32, protocol: u32 }) {}
export const seen = new SkStorage({ value: Seen });
class Target extends struct({ addr: array(be32, 4) }) {}
export const targets = new HashMap({ key: u32, value: Target, maxEntries: 16 });

function note(ctx: ConnectCtx): undefined {
  const entry = seen.getOrCreate(ctx);
  if (!entry) return;
  entry.pid = ctx.pid;
  entry.uid = ctx.uid;
  entry.cookie = ctx.cookie;
  entry.family = ctx.family;
  entry.type = ctx.type;
  entry.protocol = ctx.protocol;
}
const isLocal = (ctx: Connect4Ctx): boolean => ctx.remoteIp4 === ipv4("127.0.0.1");

export const to = connectHook({
  connect4(ctx) {
    note(ctx);
    if (isLocal(ctx)) return true;
    if (ctx.uid === 0 || ctx.setSockOpt("TCP_USER_TIMEOUT", 5000) !== 0) return false;
    ctx.remoteIp4 = htonl(0x0a00_0001);
    ctx.remotePort = ctx.remotePort === htons(80) ? htons(8080) : ctx.remotePort;
    return ctx.bindSource(ipv4("10.0.0.2")) === 0 && ctx.bindSource(ipv4("10.0.0.2"), htons(1000)) === 0;
  },
  connect6(ctx) {
    note(ctx);
    const was = ctx.remoteIp6;
    const target = targets.get(ctx.pid);
    if (target) ctx.remoteIp6 = target.addr;
    else if (was[0] === htonl(0)) ctx.remoteIp6 = ipv6("fd00::1");
    else ctx.remoteIp6 = [was[0], was[1], was[2], htonl(1)];
    if (ctx.bindSource(ctx.remoteIp6, htons(0)) !== 0) log`not bound: ${ctx.remotePort}`;
    return true;
  },
});

class Linger extends struct({ on: u32, seconds: u32 }) {}
const isOurs = (ctx: SockOptCtx): boolean => ctx.level === Level.Tcp && ctx.uid !== 0 && ctx.optlen > 0;

function setting(ctx: SetSockOptCtx): undefined {
  ctx.level = Level.Socket;
  ctx.optname = SocketOption.KeepAlive;
  ctx.optlen -= 4;
}
function answer(ctx: GetSockOptCtx): undefined {
  ctx.retval = 0;
  ctx.optlen = 4;
}

export const opt = sockOptHook({
  setsockopt(ctx) {
    if (ctx.level === Level.Socket && ctx.optname === SocketOption.Linger) {
      const linger = ctx.optval(Linger);
      if (linger) linger.seconds = min(linger.seconds, 5);
      return true;
    }
    if (!isOurs(ctx)) return true;
    if (ctx.optname === TcpSocketOption.NoDelay) ctx.skipKernel();
    if (ctx.optname === TcpSocketOption.Cork) setting(ctx);
    if (ctx.optname === TcpSocketOption.FastOpen) ctx.optlen = 0;
    return ctx.optname !== TcpSocketOption.Congestion;
  },
  getsockopt(ctx) {
    const name = ctx.optval(cstring(16));
    if (name && ctx.optname === TcpSocketOption.Congestion) return ctx.retval === 0;
    const short = ctx.optval(u16);
    const list = ctx.optval(array(u32, 2));
    if (short && list) short.value = u16(list[1]);
    if (ctx.retval !== 0 && isOurs(ctx)) answer(ctx);
    return true;
  },
});
