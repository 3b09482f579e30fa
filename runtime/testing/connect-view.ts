/** `connectHook` as a test sees it: a call of connect() in, what the kernel makes of it out. */
import type { SockAddrField } from "../../compiler/bpf/kinds/sock-addr.ts";
import type { BigEndianLayout } from "../../compiler/layout.ts";
import { networkOrder } from "../dsl/network-order.ts";
import { ERRNO } from "../vm/errno.ts";
import { finished, observer, optionName, valueText, type Loaded } from "./call.ts";
import { createConnection, ipv6Text, bytesOfIpv6, wordOf, type Connection } from "./connection.ts";
import type { SocketHandle } from "./map-views.ts";
import { getSocketOption, setSocketOption } from "./socket-options.ts";
import { fromBytes, toBytes } from "./values.ts";
import { connView, type ConnView } from "./conn-view.ts";
import type { HookViewParts } from "./hook-view.ts";

interface Call {
  readonly remotePort: symbol;
  /** SOCK_STREAM and IPPROTO_TCP unless given. */
  readonly type?: number;
  readonly protocol?: number;
  readonly pid?: number;
  readonly uid?: number;
  /** A socket of an earlier call; a new one unless given. */
  readonly conn?: SocketHandle;
  /** What binding the source address gives; 0 unless given. */
  readonly bindErrno?: number;
}
interface Source<A> {
  readonly addr: A;
  readonly port: symbol;
}
interface Outcome<A> {
  readonly allowed: boolean;
  readonly remotePort: symbol;
  readonly source: Source<A> | undefined;
  readonly sockOpts: Readonly<Record<string, number | string | boolean>>;
  readonly conn: ConnView;
}

const BE16: BigEndianLayout = { kind: "be", bits: 16 };
const BE32: BigEndianLayout = { kind: "be", bits: 32 };
const ANYONE = 1000;
const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const IPPROTO_TCP = 6;
/** Where the address lies in struct sockaddr_in and sockaddr_in6, and their least lengths. */
const SOCKADDR = {
  4: { family: AF_INET, at: 4, end: 8, least: 16 },
  6: { family: AF_INET6, at: 8, end: 24, least: 24 },
} as const;

const portWord = (port: symbol): number => new DataView(toBytes(BE16, port, "remotePort").buffer).getUint16(0, true);
const portOf = (word: number): symbol => networkOrder(16, BigInt(((word & 0xff) << 8) | ((word >> 8) & 0xff)));

interface Seen {
  readonly version: 4 | 6;
  readonly address: Uint8Array;
  readonly given: Call;
}
/** What the context shows of a call. Messages have addresses of their own, which connect() has not; the socket is no number. */
const READERS: Readonly<Record<Exclude<SockAddrField, "sk">, (seen: Seen, index: number) => number>> = {
  user_family: ({ version }) => SOCKADDR[version].family,
  family: ({ version }) => SOCKADDR[version].family,
  type: ({ given }) => given.type ?? SOCK_STREAM,
  protocol: ({ given }) => given.protocol ?? IPPROTO_TCP,
  user_port: ({ given }) => portWord(given.remotePort),
  user_ip4: ({ version, address }) => (version === 4 ? wordOf(address, 0) : 0),
  user_ip6: ({ version, address }, index) => (version === 6 ? wordOf(address, index) : 0),
  msg_src_ip4: () => 0,
  msg_src_ip6: () => 0,
};

export function connectView({ hooks, shared }: HookViewParts<"cgroup_sock_addr">): object {
  /** Runs a hook; the address as bytes in network order. */
  function call<A>(
    version: 4 | 6,
    title: string,
    address: Uint8Array,
    given: Call,
    shown: (bytes: Uint8Array) => A,
  ): Outcome<A> & { readonly address: A } {
    const loaded = hooks.get(`connect${version}`);
    const socket = (given.conn?.socket as Connection | undefined) ?? createConnection({ state: "close" });
    const outcome = {
      allowed: true,
      remotePort: given.remotePort,
      source: undefined as Source<A> | undefined,
      sockOpts: socket.sockOpts,
      conn: connView(socket),
    };
    // Without a program of this family the kernel goes on by itself.
    if (!loaded) return { ...outcome, address: shown(address) };
    const entry = shared.history.begin(loaded.program, title);
    loaded.steps.last = 0;
    const run = runHook(loaded, version, address, given, socket, entry, (bytes, port) => {
      outcome.source = { addr: shown(bytes), port };
    });
    entry.effects.push(run.allowed ? `goes on to ${run.text}` : "refused");
    return {
      ...outcome,
      sockOpts: { ...socket.sockOpts },
      allowed: run.allowed,
      remotePort: run.port,
      address: shown(run.address),
    };
  }

  return {
    connect4(given: Call & { readonly remoteIp4: symbol }) {
      const bytes = toBytes(BE32, given.remoteIp4, "remoteIp4");
      const title = `connect to ${given.remoteIp4.description}:${given.remotePort.description}`;
      const { address, ...rest } = call(4, title, bytes, given, (found) => fromBytes(BE32, found) as symbol);
      return { ...rest, remoteIp4: address };
    },
    connect6(given: Call & { readonly remoteIp6: string }) {
      const title = `connect to [${given.remoteIp6}]:${given.remotePort.description}`;
      const { address, ...rest } = call(6, title, bytesOfIpv6(given.remoteIp6), given, ipv6Text);
      return { ...rest, remoteIp6: address };
    },
  };

  function runHook(
    loaded: Loaded,
    version: 4 | 6,
    address: Uint8Array,
    given: Call,
    socket: Connection,
    entry: ReturnType<typeof shared.history.begin>,
    bound: (bytes: Uint8Array, port: symbol) => void,
  ): { readonly allowed: boolean; readonly address: Uint8Array; readonly port: symbol; readonly text: string } {
    const { machine, host } = loaded;
    const { pid = ANYONE, uid = ANYONE } = given;
    const shape = SOCKADDR[version];
    let detail = "";
    const outcome = machine.run(loaded.program, {
      services: {
        socket,
        pidTgid: (BigInt(pid) << 32n) | BigInt(pid),
        uidGid: (BigInt(uid) << 32n) | BigInt(uid),
        setSockOpt(level, name, value) {
          detail = `${optionName(level, name)} = ${valueText(value)}`;
          return setSocketOption(socket, machine.kernel, host, level, name, value);
        },
        getSockOpt(level, name, size) {
          detail = optionName(level, name);
          return getSocketOption(socket, machine.kernel, loaded.host, level, name, size);
        },
        bind(sockaddr) {
          if (sockaddr.length < shape.least) return ERRNO.EINVAL;
          const view = new DataView(sockaddr.buffer, sockaddr.byteOffset);
          if (view.getUint16(0, true) !== shape.family) return ERRNO.EAFNOSUPPORT;
          const bytes = sockaddr.slice(shape.at, shape.end);
          detail = version === 4 ? [...bytes].join(".") : ipv6Text(bytes);
          if (given.bindErrno) return given.bindErrno;
          bound(bytes, portOf(view.getUint16(2, true)));
          return 0;
        },
        observe: observer(loaded, entry, () => {
          const said = detail;
          detail = "";
          return said;
        }),
      },
      read: (field, index) =>
        field in READERS ? READERS[field as keyof typeof READERS]({ version, address, given }, index) : 0,
    });
    finished(loaded, entry, outcome);
    const words = version === 4 ? [outcome.field("user_ip4")] : [0, 1, 2, 3].map((at) => outcome.field("user_ip6", at));
    const left = new Uint8Array(Uint32Array.from(words, Number).buffer);
    const port = portOf(Number(outcome.field("user_port")));
    const text = `${version === 4 ? [...left].join(".") : `[${ipv6Text(left)}]`}:${port.description}`;
    return { allowed: outcome.returned !== 0, address: left, port, text };
  }
}
