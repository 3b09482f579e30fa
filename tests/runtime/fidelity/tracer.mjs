// Sends over one connection as fast as its window lets, and notes the window as it goes: prints a JSON array of samples at the end.
// usage: node tracer.mjs HOST PORT CONGESTION SECONDS
import koffi from "koffi";

const [host, port, congestion, seconds] = process.argv.slice(2);
const libc = koffi.load(null);
const socket = libc.func("int socket(int domain, int type, int protocol)");
const connect = libc.func("int connect(int fd, uint8_t *address, uint32 length)");
const setsockopt = libc.func("int setsockopt(int fd, int level, int option, uint8_t *value, uint32_t length)");
const getsockopt = libc.func(
  "int getsockopt(int fd, int level, int option, _Inout_ uint8_t *value, _Inout_ uint32_t *length)",
);
const send = libc.func("int64 send(int fd, uint8_t *bytes, size_t length, int flags)");

const SOL = { socket: 1, tcp: 6 };
const OPTION = { sndbufForce: 32, congestion: 13, info: 11 };
const DONT_WAIT = 0x40;
const POLL_MS = 4;
/** Offsets in struct tcp_info. */
const INFO = { caState: 1, rttUs: 68, ssthresh: 76, cwnd: 80, retransmissions: 100, delivered: 120 };

const check = (result, what) => {
  if (result < 0) throw new Error(`${what}: errno ${koffi.errno()}`);
  return result;
};
const fd = check(socket(2, 1, 0), "socket");
check(setsockopt(fd, SOL.tcp, OPTION.congestion, Buffer.from(congestion), congestion.length), congestion);
// As much as the application may be late.
check(setsockopt(fd, SOL.socket, OPTION.sndbufForce, Buffer.from([0, 0, 0x80, 0]), 4), "SO_SNDBUFFORCE");
const address = Buffer.alloc(16);
address.writeUInt16LE(2, 0);
address.writeUInt16BE(Number(port), 2);
host.split(".").forEach((part, index) => (address[4 + index] = Number(part)));
check(connect(fd, address, address.length), "connect");

const data = Buffer.alloc(65536, 1);
const info = Buffer.alloc(256);
const samples = [];
const begin = process.hrtime.bigint();
for (;;) {
  while (send(fd, data, data.length, DONT_WAIT) > 0);
  const length = [info.length];
  check(getsockopt(fd, SOL.tcp, OPTION.info, info, length), "TCP_INFO");
  const time = Number(process.hrtime.bigint() - begin) / 1e9;
  if (time > Number(seconds)) break;
  samples.push({
    time,
    state: info[INFO.caState],
    cwnd: info.readUInt32LE(INFO.cwnd),
    ssthresh: info.readUInt32LE(INFO.ssthresh),
    rttMs: info.readUInt32LE(INFO.rttUs) / 1000,
    retransmissions: info.readUInt32LE(INFO.retransmissions),
    delivered: Number(info.readBigUInt64LE(INFO.delivered)),
  });
  await new Promise((resolve) => setTimeout(resolve, POLL_MS));
}
process.stdout.write(JSON.stringify(samples), () => process.exit(0));
