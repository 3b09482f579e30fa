// A service has one address wherever it runs: connections to it go to the backend that a map names, from the source address that
// the backend expects. A service whose backend is down is refused at once (EPERM), not after a minute of silence.
import { array, atomicAdd, be16, be32, HashMap, htonl, license, log, struct, u16, u32, u64 } from "tsbpf";
import { connectHook, type ConnectCtx } from "tsbpf/connect";

license("GPL");

class Service4 extends struct({ addr: be32, port: be16, zero: u16 }) {}
class Backend4 extends struct({
  addr: be32,
  port: be16,
  up: u16,
  /** Where connections come from; 0.0.0.0: the kernel chooses. */
  source: be32,
  lastPid: u32,
  connections: u64,
}) {}
export const backends4 = new HashMap({ key: Service4, value: Backend4, maxEntries: 256 });

class Service6 extends struct({ addr: array(be32, 4), port: be16, zero: u16 }) {}
class Backend6 extends struct({ addr: array(be32, 4), port: be16, up: u16, lastPid: u32, connections: u64 }) {}
export const backends6 = new HashMap({ key: Service6, value: Backend6, maxEntries: 256 });

function refused(ctx: ConnectCtx): boolean {
  log`process ${ctx.pid} of user ${ctx.uid} wants a service that is down (port ${ctx.remotePort})`;
  return false;
}

export const service = connectHook({
  connect4(ctx) {
    const backend = backends4.get({ addr: ctx.remoteIp4, port: ctx.remotePort, zero: 0 });
    if (!backend) return true; // no service of ours
    if (!backend.up) return refused(ctx);
    if (backend.source !== htonl(0) && ctx.bindSource(backend.source) !== 0) return false;
    ctx.remoteIp4 = backend.addr;
    ctx.remotePort = backend.port;
    backend.lastPid = ctx.pid;
    atomicAdd(backend, "connections", 1n);
    return true;
  },

  connect6(ctx) {
    const backend = backends6.get({ addr: ctx.remoteIp6, port: ctx.remotePort, zero: 0 });
    if (!backend) return true;
    if (!backend.up) return refused(ctx);
    ctx.remoteIp6 = backend.addr;
    ctx.remotePort = backend.port;
    backend.lastPid = ctx.pid;
    atomicAdd(backend, "connections", 1n);
    return true;
  },
});
