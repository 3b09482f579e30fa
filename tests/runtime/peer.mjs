// One end of a test's connections, in its own network namespace and cgroup; driven over the process channel.
// Plain JavaScript, because it runs as its own process without a build.
import net from "node:net";
import { createHash } from "node:crypto";
import koffi from "koffi";

const libc = koffi.load(null);
const socket = libc.func("int socket(int domain, int type, int protocol)");
const bind = libc.func("int bind(int fd, uint8_t *address, uint32 length)");
const connect = libc.func("int connect(int fd, uint8_t *address, uint32 length)");
const getsockopt = libc.func(
  "int getsockopt(int fd, int level, int option, _Inout_ uint8_t *value, _Inout_ uint32_t *length)",
);
const setsockopt = libc.func("int setsockopt(int fd, int level, int option, uint8_t *value, uint32_t length)");

const write = libc.func("int64 write(int fd, uint8_t *bytes, size_t length)");
const close = libc.func("int close(int fd)");
/** Of this architecture, for a call that libc has no function for. */
const SYS_BPF = process.arch === "arm64" ? 280 : 321;
const syscall = libc.func("int64 syscall(int64 number, int command, uint8_t *attr, uint32 size)");
const kept = [];

const PROTOCOL = { tcp: 0, mptcp: 262 };
const sockets = new Map();
const servers = new Map();
let next = 1;

function sockaddr(host, port) {
  if (!host.includes(":")) {
    const bytes = Buffer.alloc(16);
    bytes.writeUInt16LE(2, 0);
    bytes.writeUInt16BE(port, 2);
    host.split(".").forEach((part, index) => (bytes[4 + index] = Number(part)));
    return bytes;
  }
  const bytes = Buffer.alloc(28);
  bytes.writeUInt16LE(10, 0);
  bytes.writeUInt16BE(port, 2);
  const [head, tail = ""] = host.split("::");
  const before = head === "" ? [] : head.split(":");
  const after = tail === "" ? [] : tail.split(":");
  const words = host.includes("::")
    ? [...before, ...Array(8 - before.length - after.length).fill("0"), ...after]
    : before;
  words.forEach((word, index) => bytes.writeUInt16BE(parseInt(word, 16), 8 + 2 * index));
  return bytes;
}

const fail = (what) => {
  throw new Error(`${what}: errno ${koffi.errno()}`);
};

function open(protocol, host) {
  const fd = socket(host.includes(":") ? 10 : 2, 1 | 0x80000, PROTOCOL[protocol]);
  return fd < 0 ? fail("socket") : fd;
}

function track(stream) {
  const id = next++;
  const state = {
    stream,
    received: 0,
    hash: createHash("sha256"),
    sent: createHash("sha256"),
    ended: false,
    error: undefined,
  };
  sockets.set(id, state);
  stream.on("error", (error) => (state.error = error.code));
  stream.on("close", () => (state.ended = true));
  return { id, state };
}

/** What hangs on a socket, in a map by its number: stores `bytes` there, or reads as many as `length`. */
function storageOf(fd, { map, bytes, length }) {
  const ask = (command, attr) => {
    const result = Number(syscall(SYS_BPF, command, attr, attr.length));
    return result < 0 ? fail(`bpf ${command}`) : result;
  };
  const byId = Buffer.alloc(128);
  byId.writeUInt32LE(map, 0);
  const mapFd = ask(14, byId);
  try {
    const key = Buffer.alloc(4);
    key.writeInt32LE(fd, 0);
    const value = Buffer.from(bytes ?? new Uint8Array(length));
    const attr = Buffer.alloc(128);
    attr.writeUInt32LE(mapFd, 0);
    attr.writeBigUInt64LE(BigInt(koffi.address(key)), 8);
    attr.writeBigUInt64LE(BigInt(koffi.address(value)), 16);
    ask(bytes ? 2 : 1, attr);
    return [...value];
  } finally {
    close(mapFd);
  }
}

const commands = {
  /** mode: "sink" counts and hashes, "echo" sends back, "reply:N" answers every chunk with N bytes, "once:N" the first, "close" ends after one chunk. */
  async listen({ protocol = "tcp", host, port, mode = "sink", options = [] }) {
    const fd = open(protocol, host);
    setsockopt(fd, 1, 2, Buffer.from([1, 0, 0, 0]), 4);
    for (const [level, option, value] of options) setsockopt(fd, level, option, Buffer.from(value), value.length);
    const address = sockaddr(host, port);
    if (bind(fd, address, address.length) < 0) fail(`bind ${host}:${port}`);
    const [kind, size] = mode.split(":");
    const reply = Buffer.alloc(Number(size ?? 0), 0x61);
    const server = net.createServer({ allowHalfOpen: false, noDelay: true }, (stream) => {
      const { id, state } = track(stream);
      state.port = port;
      stream.on("data", (chunk) => {
        state.received += chunk.length;
        if (kind === "sink") state.hash.update(chunk);
        if (kind === "echo") stream.write(chunk);
        if (kind === "reply" || (kind === "once" && state.received === chunk.length)) stream.write(reply);
        if (kind === "close") stream.end("x");
      });
      if (kind !== "close") process.send({ accepted: id, port: stream.remotePort });
      else stream.on("close", () => sockets.delete(id));
    });
    await new Promise((resolve, reject) => server.listen({ fd, backlog: 4096 }, resolve).on("error", reject));
    const id = next++;
    servers.set(id, server);
    return id;
  },
  /** `storage`: what hangs on the socket before it connects. */
  connect({ protocol = "tcp", host, port, from, options = [], storage }) {
    const fd = open(protocol, host);
    if (storage) storageOf(fd, storage);
    for (const [level, option, value] of options)
      if (setsockopt(fd, level, option, Buffer.from(value), value.length) < 0) fail(`setsockopt ${level} ${option}`);
    if (from) {
      const address = sockaddr(from, 0);
      if (bind(fd, address, address.length) < 0) fail(`bind ${from}`);
    }
    const address = sockaddr(host, port);
    if (connect(fd, address, address.length) < 0) fail(`connect ${host}:${port}`);
    const stream = new net.Socket({ fd, readable: true, writable: true });
    const { id, state } = track(stream);
    state.fd = fd;
    stream.on("data", (chunk) => {
      state.received += chunk.length;
      state.hash.update(chunk);
    });
    return id;
  },
  /** Sends `length` pseudo-random bytes. */
  async send({ id, length, seed = 1 }) {
    const { stream, sent } = sockets.get(id);
    let left = length;
    let state = seed;
    while (left > 0) {
      const chunk = Buffer.alloc(Math.min(left, 65536));
      for (let at = 0; at < chunk.length; at++) {
        state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
        chunk[at] = state >> 16;
      }
      sent.update(chunk);
      left -= chunk.length;
      if (!stream.write(chunk)) await new Promise((resolve) => stream.once("drain", resolve));
    }
  },
  state({ id }) {
    const { received, hash, sent, ended, error } = sockets.get(id);
    return { received, hash: hash.copy().digest("hex"), sent: sent.copy().digest("hex"), ended, error };
  },
  getsockopt({ id, level, option, length = 4 }) {
    const fd = sockets.get(id).fd ?? sockets.get(id).stream._handle.fd;
    const value = Buffer.alloc(length);
    const size = [length];
    if (getsockopt(fd, level, option, value, size) < 0) return { errno: koffi.errno() };
    return { bytes: [...value.subarray(0, size[0])] };
  },
  descriptor({ id }) {
    return sockets.get(id).fd ?? sockets.get(id).stream._handle.fd;
  },
  storage({ id, ...what }) {
    return storageOf(sockets.get(id).fd ?? sockets.get(id).stream._handle.fd, what);
  },
  ports({ id }) {
    const { stream } = sockets.get(id);
    return { local: stream.localPort, remote: stream.remotePort };
  },
  close({ id }) {
    sockets.get(id)?.stream.destroy();
  },
  /** Ends with a reset, not in order. */
  reset({ id }) {
    sockets.get(id)?.stream.resetAndDestroy();
  },
  /** Resets what was accepted on a port and still is open: of all connections every `step`th. Gives their number. */
  resetAll({ port, step = 1 }) {
    const open = [...sockets.values()].filter((one) => one.port === port && !one.ended);
    const chosen = open.filter((_, index) => index % step === 0);
    for (const { stream } of chosen) stream.resetAndDestroy();
    return chosen.length;
  },
  /** Many connections, each with one byte sent, kept open by number. Gives how many there are. */
  burst({ protocol = "tcp", host, port, count }) {
    const address = sockaddr(host, port);
    for (let turn = 0; turn < count; turn++) {
      const fd = open(protocol, host);
      if (connect(fd, address, address.length) < 0) fail(`connect ${host}:${port}`);
      if (write(fd, Buffer.from("x"), 1) < 0) fail("write");
      kept.push(fd);
    }
    return kept.length;
  },
  /** Closes what `burst` has opened. */
  letGo() {
    for (const fd of kept.splice(0)) close(fd);
  },
  end({ id }) {
    sockets.get(id)?.stream.end();
  },
  closeServer({ id }) {
    servers.get(id)?.close();
  },
  /** `rate` connections a second for `seconds`: each sends one byte and waits for the answer and the end. */
  async storm({ host, port, rate, seconds }) {
    let done = 0;
    let failed = 0;
    const errors = {};
    let started = 0;
    const begin = process.hrtime.bigint();
    const latencies = [];
    await new Promise((resolve) => {
      const total = rate * seconds;
      const settle = () => {
        if (done + failed === total) resolve();
      };
      const timer = setInterval(() => {
        const due = Math.min(total, Math.floor((Number(process.hrtime.bigint() - begin) / 1e9) * rate));
        for (; started < due; started++) {
          const from = process.hrtime.bigint();
          let ok = false;
          const stream = net.connect({ host, port, noDelay: true }, () => stream.write("?"));
          stream.on("data", () => (ok = true));
          stream.on("error", (error) => (errors[error.code] = (errors[error.code] ?? 0) + 1));
          stream.on("close", () => {
            if (ok) done++;
            else failed++;
            latencies.push(Number(process.hrtime.bigint() - from) / 1e6);
            settle();
          });
        }
        if (started === total) clearInterval(timer);
      }, 5);
    });
    latencies.sort((a, b) => a - b);
    return {
      done,
      failed,
      errors,
      elapsed: Number(process.hrtime.bigint() - begin) / 1e9,
      p99: latencies[Math.floor(latencies.length * 0.99)],
    };
  },
};

process.on("message", async ({ call, name, args }) => {
  try {
    process.send({ answer: call, value: await commands[name](args ?? {}) });
  } catch (error) {
    process.send({ answer: call, error: error.message });
  }
});
process.on("disconnect", () => process.exit(0));
process.send({ ready: true });
