// System calls of an application, one after the other, each with its errno: `node caller.mjs '[["socket",2,1,0],…]'`.
// Plain JavaScript, because it runs as its own process without a build. Prints the results as JSON; `$0` is the first result.
import koffi from "koffi";

const libc = koffi.load(null);
const calls = {
  socket: libc.func("int socket(int domain, int type, int protocol)"),
  bind: libc.func("int bind(int fd, uint8_t *address, uint32 length)"),
  listen: libc.func("int listen(int fd, int backlog)"),
  connect: libc.func("int connect(int fd, uint8_t *address, uint32 length)"),
  setsockopt: libc.func("int setsockopt(int fd, int level, int option, uint8_t *value, uint32_t length)"),
  getsockopt: libc.func(
    "int getsockopt(int fd, int level, int option, _Inout_ uint8_t *value, _Inout_ uint32_t *size)",
  ),
  getpeername: libc.func("int getpeername(int fd, _Out_ uint8_t *address, _Inout_ uint32_t *size)"),
  getsockname: libc.func("int getsockname(int fd, _Out_ uint8_t *address, _Inout_ uint32_t *size)"),
};

function sockaddr(host, port) {
  const six = host.includes(":");
  const bytes = Buffer.alloc(six ? 28 : 16);
  bytes.writeUInt16LE(six ? 10 : 2, 0);
  bytes.writeUInt16BE(port, 2);
  if (!six) host.split(".").forEach((part, at) => (bytes[4 + at] = Number(part)));
  else {
    const [head, tail = ""] = host.split("::").map((part) => (part === "" ? [] : part.split(":")));
    const words = [...head, ...Array(8 - head.length - tail.length).fill("0"), ...tail];
    words.forEach((word, at) => bytes.writeUInt16BE(parseInt(word, 16), 8 + 2 * at));
  }
  return bytes;
}
function shown(bytes) {
  const port = bytes.readUInt16BE(2);
  if (bytes.readUInt16LE(0) === 2) return `${[...bytes.subarray(4, 8)].join(".")}:${port}`;
  const words = Array.from({ length: 8 }, (_, at) => bytes.readUInt16BE(8 + 2 * at).toString(16));
  return `${new URL(`http://[${words.join(":")}]/`).hostname}:${port}`;
}
const checked = (result) => (result < 0 ? `errno ${koffi.errno()}` : result);
function name(call, fd) {
  const bytes = Buffer.alloc(28);
  const result = calls[call](fd, bytes, [28]);
  return result < 0 ? `errno ${koffi.errno()}` : shown(bytes);
}

const steps = {
  socket: (domain, type, protocol) => checked(calls.socket(domain, type, protocol)),
  listen: (fd) => checked(calls.listen(fd, 8)),
  bind: (fd, host, port) => checked(calls.bind(fd, sockaddr(host, port), sockaddr(host, port).length)),
  connect: (fd, host, port) => checked(calls.connect(fd, sockaddr(host, port), sockaddr(host, port).length)),
  peername: (fd) => name("getpeername", fd),
  sockname: (fd) => name("getsockname", fd),
  set: (fd, level, option, bytes) => checked(calls.setsockopt(fd, level, option, Buffer.from(bytes), bytes.length)),
  get(fd, level, option, room = 4) {
    const bytes = Buffer.alloc(Math.max(room, 1));
    const size = [room];
    const result = calls.getsockopt(fd, level, option, bytes, size);
    return result < 0 ? `errno ${koffi.errno()}` : [...bytes.subarray(0, size[0])];
  },
};
const results = [];
for (const [step, ...args] of JSON.parse(process.argv[2]))
  results.push(steps[step](...args.map((arg) => (/^\$\d+$/.test(arg) ? results[Number(arg.slice(1))] : arg))));
console.log(JSON.stringify(results));
