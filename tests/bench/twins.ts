/** The programs that exist twice, in programs/ and as C in tests/bench/c/, and what drives them. */
import { TARGETS, type TargetName } from "../../compiler/bpf/kernels.ts";

export interface Twin {
  /** Name of both files, without extension. */
  readonly file: string;
  /** The exported constant, and the C function. */
  readonly program: string;
  readonly targets: readonly TargetName[];
  readonly events: "option" | "path-manager";
  /** Of option handlers: the option on the wire. `length` includes kind and length, `payload` is what a typical peer sends. */
  readonly option?: { readonly kind: number; readonly length: number; readonly payload: readonly number[] };
  /** Of options of listeners: SYN-ACKs carry them. */
  readonly listens?: true;
  /** What it is loaded with, in place of what the source says. */
  readonly params?: Readonly<Record<string, number>>;
  /** Socket storage that user space fills, and with how many bytes. */
  readonly storage?: Readonly<Record<string, number>>;
  /** Elements that user space has put into maps. */
  readonly elements?: readonly {
    readonly map: string;
    readonly key: readonly number[];
    readonly value: readonly number[];
  }[];
}

const bytes = (from: number, count: number): number[] => Array.from({ length: count }, (_, at) => (from + at) & 0xff);
const word = (value: number): number[] => [0, 8, 16, 24].map((by) => (value >> by) & 0xff);
/** 10.0.0.0/8 and fd01::/16 are proxies. */
const PROXIES: Twin["elements"] = [
  { map: "proxies", key: [...word(96 + 8), ...Array<number>(10).fill(0), 255, 255, 10, 0, 0, 0], value: word(1) },
  { map: "proxies", key: [...word(16), 0xfd, 1, ...Array<number>(14).fill(0)], value: word(1) },
];

export const TWINS: readonly Twin[] = [
  { file: "ndiffports", program: "ndiffports", targets: ["patched"], events: "path-manager" },
  { file: "fullmesh", program: "fullmesh", targets: ["patched"], events: "path-manager" },
  { file: "recover", program: "recover", targets: ["patched"], events: "path-manager" },
  { file: "backup-by-rtt", program: "backupByRtt", targets: ["patched"], events: "path-manager" },
  { file: "thin-connections", program: "thinConnections", targets: ["patched"], events: "path-manager" },
  { file: "close-idle", program: "closeIdle", targets: ["patched"], events: "path-manager" },
  { file: "announce-addresses", program: "announceAddresses", targets: ["patched"], events: "path-manager" },
  {
    file: "user-timeout",
    program: "userTimeout",
    targets: TARGETS,
    events: "option",
    option: { kind: 28, length: 4, payload: [0, 1] },
  },
  {
    file: "congestion-control",
    program: "congestionControl",
    targets: TARGETS,
    events: "option",
    option: { kind: 66, length: 4, payload: [0, 3] },
  },
  {
    file: "initial-window",
    program: "initialWindow",
    targets: TARGETS,
    events: "option",
    option: { kind: 66, length: 4, payload: [0, 40] },
  },
  {
    file: "delayed-ack",
    program: "delayedAck",
    targets: ["patched"],
    events: "option",
    option: { kind: 67, length: 4, payload: [2, 100] },
  },
  {
    file: "initial-window-both",
    program: "initialWindowBoth",
    targets: TARGETS,
    events: "option",
    option: { kind: 66, length: 4, payload: [0, 40] },
    listens: true,
  },
  {
    file: "trace-context",
    program: "traceContext",
    targets: ["mainline"],
    events: "option",
    option: { kind: 25, length: 26, payload: bytes(0x40, 24) },
    storage: { outgoing: 24 },
  },
  {
    file: "server-id",
    program: "serverName",
    targets: TARGETS,
    events: "option",
    option: { kind: 183, length: 6, payload: [0, 0, 0x12, 0x34] },
    listens: true,
    params: { serverId: 0xc0ffee },
  },
  {
    file: "client-address",
    program: "client4",
    targets: ["mainline"],
    events: "option",
    option: { kind: 200, length: 8, payload: [0x12, 0x34, 203, 0, 113, 9] },
    storage: { clients4: 6 },
    elements: PROXIES,
  },
  {
    file: "client-address",
    program: "client6",
    targets: ["mainline"],
    events: "option",
    option: { kind: 201, length: 20, payload: [0x12, 0x34, 0x20, 1, 0x0d, 0xb8, ...bytes(0, 12)] },
    storage: { clients6: 18 },
    elements: PROXIES,
  },
  {
    file: "telemetry",
    program: "telemetry",
    targets: TARGETS,
    events: "option",
    option: { kind: 0x72, length: 12, payload: [0x14, 200, 61, 1, 2, 3, 180, 0x4d, 1, 2] },
    params: { threshold: 100 },
  },
  {
    file: "initial-window-raw",
    program: "initialWindowRaw",
    targets: ["mainline"],
    events: "option",
    option: { kind: 66, length: 4, payload: [0, 40] },
  },
];
