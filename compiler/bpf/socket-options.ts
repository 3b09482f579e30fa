/** Socket options that a program may set or get: level, number, value, and what they need (include/uapi/linux/{tcp,bpf}.h). */
import type { Feature } from "./kernels.ts";

export const SOL_TCP = 6;

export interface SocketOption {
  readonly level: number;
  readonly number: number;
  /** "u32": four bytes; "name": a string of at most 16 bytes. */
  readonly value: "u32" | "name";
  readonly set: true;
  readonly get?: true;
  readonly needs: Feature;
}

export const SOCKET_OPTIONS = {
  TCP_USER_TIMEOUT: { level: SOL_TCP, number: 18, value: "u32", set: true, get: true, needs: "sock-ops" },
  TCP_CONGESTION: { level: SOL_TCP, number: 13, value: "name", set: true, needs: "sock-ops" },
  TCP_BPF_IW: { level: SOL_TCP, number: 1001, value: "u32", set: true, needs: "sock-ops" },
  TCP_BPF_SNDCWND_CLAMP: { level: SOL_TCP, number: 1002, value: "u32", set: true, get: true, needs: "sock-ops" },
  TCP_BPF_DELACK_MAX: { level: SOL_TCP, number: 1003, value: "u32", set: true, needs: "bpf-delack-max" },
  TCP_BPF_RTO_MIN: { level: SOL_TCP, number: 1004, value: "u32", set: true, needs: "bpf-delack-max" },
  TCP_DELACK_MIN_US: { level: SOL_TCP, number: 64, value: "u32", set: true, get: true, needs: "delayed-ack-options" },
  TCP_DELACK_MAX_US: { level: SOL_TCP, number: 46, value: "u32", set: true, get: true, needs: "delayed-ack-options" },
  TCP_DELACK_SEGS: { level: SOL_TCP, number: 66, value: "u32", set: true, get: true, needs: "delayed-ack-options" },
} as const satisfies Record<string, SocketOption>;
export type SocketOptionName = keyof typeof SOCKET_OPTIONS;
