import { expect, it } from "vitest";
import { joinDelays, readPcap, type Captured } from "./pcap.ts";

/** A record of an IPv4 segment with options, after which bytes of data follow. */
function record(seconds: number, nanoseconds: number, flags: number, options: readonly number[]): number[] {
  const tcp = new Array<number>(20).fill(0);
  tcp.splice(0, 4, 0x1f, 0x90, 0, 80);
  tcp[12] = (5 + options.length / 4) << 4;
  tcp[13] = flags;
  const ip = new Array<number>(20).fill(0);
  [ip[0], ip[9]] = [0x45, 6];
  ip.splice(12, 8, 10, 0, 0, 1, 10, 0, 0, 2);
  const frame = [...new Array<number>(12).fill(0), 8, 0, ...ip, ...tcp, ...options, 0x78];
  const words = Buffer.alloc(16);
  [seconds, nanoseconds, frame.length, frame.length].forEach((word, index) => words.writeUInt32LE(word, 4 * index));
  return [...words, ...frame];
}
const header = Buffer.alloc(24);
header.writeUInt32LE(0xa1b23c4d);

it("reads addresses, flags, times and MPTCP's subtypes, and leaves out an end that was cut off", () => {
  const whole = Buffer.from([...header, ...record(3, 4500, 2, [1, 1, 30, 4, 0x10, 0, 0, 0])]);
  const [one, ...others] = readPcap(Buffer.concat([whole, Buffer.from(record(4, 0, 2, [])).subarray(0, 30)]));
  expect(one).toEqual({ at: 3_000_004.5, from: "10.0.0.1:8080", to: "10.0.0.2:80", syn: true, ack: false, mptcp: [1] });
  expect(others).toEqual([]);
});

it("measures from the first data that is acknowledged to the next subflow's SYN, session by session", () => {
  const segment = (at: number, from: string, to: string, what: Partial<Captured>): Captured => ({
    at,
    from,
    to,
    syn: false,
    ack: true,
    mptcp: [],
    ...what,
  });
  const session = (begin: number, delay: number | undefined): Captured[] => [
    segment(begin, "c:1", "s:80", { syn: true, ack: false, mptcp: [0] }),
    segment(begin + 1, "s:80", "c:1", { syn: true, mptcp: [0] }),
    segment(begin + 2, "c:1", "s:80", { mptcp: [0] }),
    segment(begin + 3, "c:1", "s:80", { mptcp: [2] }),
    segment(begin + 4, "s:80", "c:1", { mptcp: [2] }),
    segment(begin + 5, "s:80", "c:1", { mptcp: [2] }),
    ...(delay === undefined ? [] : [segment(begin + 4 + delay, "c:2", "s:80", { syn: true, ack: false, mptcp: [1] })]),
    ...(delay === undefined ? [] : [segment(begin + 5 + delay, "c:3", "s:80", { syn: true, ack: false, mptcp: [1] })]),
  ];
  expect(joinDelays([...session(0, 7), ...session(100, undefined), ...session(200, 9)])).toEqual([7, 9]);
});
