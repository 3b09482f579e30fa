/**
 * The second yardstick: the authors' own C with its printk removed, compiled by clang -O2, as it was measured once
 * (slots at -mcpu=v1 and v3, instructions that a 6.18 verifier processed, bytes of stack). Beside each stands what our
 * compiler makes of a program in equal-work/ that does the same work. Differences that stay: ours looks at the kind and the
 * length of an option before it takes it, which theirs does not; theirs compares the space left with 40 bytes and stores a
 * reply for events that it does not handle, which the kernel does for ours; and the congestion-control table is filled by the
 * loader, not anew at every event.
 */
export interface Yardstick {
  readonly file: string;
  readonly v1: number;
  readonly v3: number;
  readonly processed: number;
  readonly stack: number;
}

export const AUTHORS: readonly Yardstick[] = [
  { file: "ndiffports", v1: 24, v3: 23, processed: 27, stack: 0 },
  { file: "user-timeout", v1: 58, v3: 54, processed: 73, stack: 8 },
  { file: "congestion-control", v1: 105, v3: 98, processed: 107, stack: 48 },
  { file: "initial-window", v1: 53, v3: 46, processed: 58, stack: 8 },
  { file: "delayed-ack", v1: 64, v3: 57, processed: 66, stack: 8 },
  { file: "stress-insert", v1: 26, v3: 21, processed: 34, stack: 0 },
  { file: "stress-parse", v1: 28, v3: 24, processed: 34, stack: 0 },
  { file: "stress-sockopts", v1: 51, v3: 45, processed: 53, stack: 8 },
];
