/** The programs that exist twice, in programs/ and as C in tests/bench/c/, and what drives them. */
import type { TargetName } from "../../compiler/bpf/kernels.ts";

export interface Twin {
  /** Name of both files, without extension. */
  readonly file: string;
  /** The exported constant, and the C function. */
  readonly program: string;
  readonly targets: readonly TargetName[];
  readonly events: "option" | "path-manager";
  /** Of option handlers: the option on the wire. `length` includes kind and length, `payload` is what a typical peer sends. */
  readonly option?: { readonly kind: number; readonly length: number; readonly payload: readonly number[] };
}

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
    targets: ["mainline", "patched"],
    events: "option",
    option: { kind: 28, length: 4, payload: [0, 1] },
  },
  {
    file: "congestion-control",
    program: "congestionControl",
    targets: ["mainline", "patched"],
    events: "option",
    option: { kind: 66, length: 4, payload: [0, 3] },
  },
  {
    file: "initial-window",
    program: "initialWindow",
    targets: ["mainline", "patched"],
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
    file: "initial-window-raw",
    program: "initialWindowRaw",
    targets: ["mainline"],
    events: "option",
    option: { kind: 66, length: 4, payload: [0, 40] },
  },
];
