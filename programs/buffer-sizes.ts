// Applications that set SO_SNDBUF or SO_RCVBUF switch off the kernel's own sizing of buffers for that socket, often with a number
// from long ago. Here such a call works, and getsockopt shows what was asked for, but the kernel does not hear of it. A user timeout
// that is shorter than the machine's least becomes that, and the congestion control of a container is not its own to choose.
import { license, min, param, SkStorage, struct, u32 } from "tsbpf";
import { Level, SocketOption, sockOptHook, TcpSocketOption, type SockOptCtx } from "tsbpf/sockopt";

license("GPL");

/** Milliseconds. */
export const leastUserTimeout = param(u32, 30000);

/** What an application asked for, and was not given. */
class Asked extends struct({ send: u32, receive: u32 }) {}
export const asked = new SkStorage({ value: Asked });

/** What net.core.wmem_max would have let through is not known here; the kernel doubles what it takes. */
const LARGEST = 0x3fff_ffff;

function isBuffer(ctx: SockOptCtx): boolean {
  return (
    ctx.level === Level.Socket &&
    (ctx.optname === SocketOption.SendBuffer || ctx.optname === SocketOption.ReceiveBuffer)
  );
}

export const buffers = sockOptHook({
  setsockopt(ctx) {
    if (isBuffer(ctx)) {
      const value = ctx.optval(u32);
      const noted = asked.getOrCreate(ctx);
      if (!value || !noted || ctx.optlen < 4) return true; // too short: the kernel says so
      const size = min(value.value, LARGEST) * 2;
      if (ctx.optname === SocketOption.SendBuffer) noted.send = size;
      else noted.receive = size;
      ctx.skipKernel();
      return true;
    }
    if (ctx.level !== Level.Tcp) return true;
    if (ctx.optname === TcpSocketOption.Congestion) return false;
    if (ctx.optname === TcpSocketOption.UserTimeout) {
      const timeout = ctx.optval(u32);
      if (timeout && timeout.value !== 0 && timeout.value < leastUserTimeout) timeout.value = leastUserTimeout;
    }
    return true;
  },

  getsockopt(ctx) {
    if (!isBuffer(ctx) || ctx.retval !== 0) return true;
    const value = ctx.optval(u32);
    const noted = asked.get(ctx);
    if (!value || !noted) return true;
    const size = ctx.optname === SocketOption.SendBuffer ? noted.send : noted.receive;
    if (size !== 0) value.value = size;
    return true;
  },
});
