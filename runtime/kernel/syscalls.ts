/**
 * The narrow door to the kernel: everything the runtime asks of it beyond Node's own API goes through `Syscalls`, so that
 * another foreign-function binding can replace koffi by writing this one object. Calls are synchronous and made on the
 * calling thread, which is what makes `setns` around `socket` safe: no JavaScript can run in between.
 */
import koffi from "koffi";

/** An address in this process. Below 2^53 on every Linux user-space layout. */
export type Address = number;

export interface Syscalls {
  /** bpf(2). Returns the non-negative result, or the negative errno. `attr` is the address of a union bpf_attr. */
  bpf(command: number, attr: Address, size: number): number;
  /** mmap(2) with MAP_SHARED at offset `offset`, as bytes. Returns the negative errno on failure. */
  mmap(fd: number, length: number, access: "read" | "read-write", offset: number): Mapping | number;
  munmap(mapping: Mapping): void;
  /** setns(2); 0 or the negative errno. */
  setns(fd: number, type: number): number;
  /** unshare(2) of the calling thread; 0 or the negative errno. */
  unshare(flags: number): number;
  /** mount(2) without data; 0 or the negative errno. */
  mount(source: string, target: string, type: string, flags: number): number;
  /** umount2(2); 0 or the negative errno. */
  unmount(target: string, flags: number): number;
  /** ioctl(2) with the address of `argument`; the result, or the negative errno. */
  ioctl(fd: number, request: number, argument: Uint8Array): number;
  /** setrlimit(2) of this process, soft and hard alike; 0 or the negative errno. */
  setLimit(resource: number, value: bigint): number;
  /** flock(2); 0 or the negative errno. */
  flock(fd: number, operation: number): number;
  socket(domain: number, type: number, protocol: number): number;
  bind(fd: number, address: Uint8Array): number;
  connect(fd: number, address: Uint8Array): number;
  send(fd: number, bytes: Uint8Array): number;
  /** recv(2) into `into`; the number of bytes, or the negative errno. */
  receive(fd: number, into: Uint8Array, flags: number): number;
  setsockopt(fd: number, level: number, option: number, value: Uint8Array): number;
  /** getsockopt(2) into `into`; the length written, or the negative errno. */
  getsockopt(fd: number, level: number, option: number, into: Uint8Array): number;
  /** pidfd_open(2): a descriptor of a process, or the negative errno. */
  openProcess(pid: number): number;
  /** pidfd_getfd(2): a copy of descriptor `fd` of that process, or the negative errno. */
  takeDescriptor(process: number, fd: number): number;
  /** clock_getres(2): nanoseconds, or the negative errno. */
  clockResolution(clock: number): number;
  /** Calls back on the event loop whenever the descriptor is readable, until closed. */
  watch(fd: number, readable: () => void): Watch;
  /** Where the bytes lie. They must stay referenced for as long as the kernel may use the address. */
  addressOf(bytes: Uint8Array): Address;
}
export interface Mapping {
  readonly address: Address;
  readonly bytes: Uint8Array;
}
export interface Watch {
  close(): void;
  /** Whether the watch keeps the process alive. */
  keepAlive(yes: boolean): void;
}

/** Number of bpf(2) per architecture (arch/*\/entry/syscalls; the generic table serves arm64, riscv64 and loongarch64). */
export const BPF_SYSCALL: Readonly<Record<string, number>> = {
  x64: 321,
  arm64: 280,
  riscv64: 280,
  loong64: 280,
  ppc64: 361,
  s390x: 351,
};

/** Numbers that every architecture has alike. */
export const PIDFD_OPEN = 434;
export const PIDFD_GETFD = 438;
const PROT_READ = 1;
const PROT_WRITE = 2;
const MAP_SHARED = 1;
let loaded: Syscalls | undefined;
/** The system calls, through koffi. The command imports this file only for commands that need it. */
export function syscalls(): Syscalls {
  loaded ??= open();
  return loaded;
}

function open(): Syscalls {
  if (process.platform !== "linux") throw new Error(`the BPF runtime needs Linux; this is ${process.platform}`);
  const libc = koffi.load(null);
  const number = BPF_SYSCALL[process.arch];
  // The narrowest types: every argument is converted on every call, and this is the call that loops make.
  const syscall = libc.func("int syscall(int number, int command, int64 attr, int size)");
  const mmap = libc.func("int64 mmap(int64 address, size_t length, int prot, int flags, int fd, int64 offset)");
  const munmap = libc.func("int munmap(int64 address, size_t length)");
  const setns = libc.func("int setns(int fd, int type)");
  const unshare = libc.func("int unshare(int flags)");
  const mount = libc.func(
    "int mount(const char *source, const char *target, const char *type, ulong flags, int64 data)",
  );
  const unmount = libc.func("int umount2(const char *target, int flags)");
  const ioctl = libc.func("int ioctl(int fd, ulong request, int64 argument)");
  const flock = libc.func("int flock(int fd, int operation)");
  const setrlimit = libc.func("int setrlimit(int resource, uint64_t *limits)");
  const socket = libc.func("int socket(int domain, int type, int protocol)");
  const bind = libc.func("int bind(int fd, int64 address, uint32 length)");
  const connect = libc.func("int connect(int fd, int64 address, uint32 length)");
  const send = libc.func("int64 send(int fd, int64 bytes, size_t length, int flags)");
  const receive = libc.func("int64 recv(int fd, int64 bytes, size_t length, int flags)");
  const setsockopt = libc.func("int setsockopt(int fd, int level, int option, int64 value, uint32 length)");
  const getsockopt = libc.func("int getsockopt(int fd, int level, int option, int64 value, int64 length)");
  const clockGetres = libc.func("int clock_getres(int clock, int64 into)");
  const checked = (result: number): number => (result < 0 ? -koffi.errno() : result);
  const addressOf = (bytes: Uint8Array): Address => Number(koffi.address(bytes));

  return {
    bpf(command, attr, size) {
      if (number === undefined) return -38; // ENOSYS: an architecture nobody has tried
      return checked(syscall(number, command, attr, size));
    },
    mmap(fd, length, access, offset) {
      const prot = access === "read" ? PROT_READ : PROT_READ | PROT_WRITE;
      const address = mmap(0, length, prot, MAP_SHARED, fd, offset);
      if (address === -1) return -koffi.errno();
      return { address, bytes: new Uint8Array(koffi.view(BigInt(address), length)) };
    },
    munmap: (mapping) => void munmap(mapping.address, mapping.bytes.length),
    setns: (fd, type) => checked(setns(fd, type)),
    unshare: (flags) => checked(unshare(flags)),
    mount: (source, target, type, flags) => checked(mount(source, target, type, flags, 0)),
    unmount: (target, flags) => checked(unmount(target, flags)),
    ioctl: (fd, request, argument) => checked(ioctl(fd, request, addressOf(argument))),
    setLimit: (resource, value) => checked(setrlimit(resource, BigUint64Array.of(value, value))),
    flock: (fd, operation) => checked(flock(fd, operation)),
    socket: (domain, type, protocol) => checked(socket(domain, type, protocol)),
    bind: (fd, address) => checked(bind(fd, addressOf(address), address.length)),
    connect: (fd, address) => checked(connect(fd, addressOf(address), address.length)),
    send: (fd, bytes) => checked(send(fd, addressOf(bytes), bytes.length, 0)),
    receive: (fd, into, flags) => checked(receive(fd, addressOf(into), into.length, flags)),
    setsockopt: (fd, level, option, value) => checked(setsockopt(fd, level, option, addressOf(value), value.length)),
    getsockopt(fd, level, option, into) {
      const length = new Uint32Array([into.length]);
      const result = checked(getsockopt(fd, level, option, addressOf(into), addressOf(new Uint8Array(length.buffer))));
      return result < 0 ? result : length[0]!;
    },
    openProcess: (pid) => checked(syscall(PIDFD_OPEN, pid, 0, 0)),
    takeDescriptor: (process, fd) => checked(syscall(PIDFD_GETFD, process, fd, 0)),
    clockResolution(clock) {
      const time = new BigInt64Array(2);
      const result = checked(clockGetres(clock, addressOf(new Uint8Array(time.buffer))));
      return result < 0 ? result : Number(time[0]! * 1_000_000_000n + time[1]!);
    },
    watch(fd, readable) {
      let open = true;
      // The callback's first argument is a status, whatever the declarations say. libuv stops after an error on the
      // descriptor, such as a netlink socket's ENOBUFS: reading takes the error away, and the watch goes on.
      const look = (status: unknown): void => {
        readable();
        if (Number(status) < 0 && open) handle.start({ readable: true }, look);
      };
      const handle = koffi.node.poll(fd, { readable: true }, look);
      return {
        close() {
          if (open) handle.close();
          open = false;
        },
        keepAlive: (yes) => (open ? (yes ? handle.ref() : handle.unref()) : undefined),
      };
    },
    addressOf,
  };
}
