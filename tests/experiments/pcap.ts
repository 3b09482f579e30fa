/** Segments of a capture file (tcpdump -w, classic format with nanoseconds), as far as path managers are concerned. */

export interface Captured {
  /** Microseconds. */
  readonly at: number;
  readonly from: string;
  readonly to: string;
  readonly syn: boolean;
  readonly ack: boolean;
  /** Subtypes of the MPTCP options on it (RFC 8684, section 3): 0 MP_CAPABLE, 1 MP_JOIN, 2 DSS. */
  readonly mptcp: readonly number[];
}
const FILE_HEADER = 24;
const RECORD_HEADER = 16;
const ETHERNET = 14;
const NANOSECONDS = 0xa1b23c4d;
const MPTCP = 30;

export function readPcap(bytes: Uint8Array): Captured[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, true) !== NANOSECONDS)
    throw new Error("no capture with nanoseconds, in this machine's byte order");
  const found: Captured[] = [];
  for (let record = FILE_HEADER; record + RECORD_HEADER <= bytes.length;) {
    const length = view.getUint32(record + 8, true);
    const ip = record + RECORD_HEADER + ETHERNET;
    const end = record + RECORD_HEADER + length;
    if (end > bytes.length) break;
    const isTcp4 = view.getUint16(ip - 2) === 0x0800 && bytes[ip + 9] === 6;
    if (isTcp4) {
      const tcp = ip + (bytes[ip]! & 15) * 4;
      const address = (at: number, port: number): string =>
        `${bytes.subarray(ip + at, ip + at + 4).join(".")}:${view.getUint16(tcp + port)}`;
      const mptcp: number[] = [];
      const options = tcp + (bytes[tcp + 12]! >> 4) * 4;
      for (let option = tcp + 20; option < options && bytes[option] !== 0;) {
        const size = bytes[option] === 1 ? 1 : Math.max(2, bytes[option + 1]!);
        if (bytes[option] === MPTCP) mptcp.push(bytes[option + 2]! >> 4);
        option += size;
      }
      found.push({
        at: view.getUint32(record, true) * 1e6 + view.getUint32(record + 4, true) / 1e3,
        from: address(12, 0),
        to: address(16, 2),
        syn: (bytes[tcp + 13]! & 2) !== 0,
        ack: (bytes[tcp + 13]! & 16) !== 0,
        mptcp,
      });
    }
    record = end;
  }
  return found;
}

const [CAPABLE, JOIN, DSS] = [0, 1, 2];

/**
 * For each session in order: microseconds from the segment that makes it fully established for the client (the first
 * from the server that acknowledges data) to the SYN of the next subflow. Sessions that open none are left out.
 */
export function joinDelays(segments: readonly Captured[]): number[] {
  const delays: number[] = [];
  let master: string | undefined;
  let established: number | undefined;
  for (const one of segments) {
    if (one.syn && !one.ack && one.mptcp.includes(CAPABLE)) [master, established] = [one.from, undefined];
    else if (one.syn && !one.ack && one.mptcp.includes(JOIN)) {
      if (established !== undefined) delays.push(one.at - established);
      [master, established] = [undefined, undefined];
    } else if (!one.syn && one.to === master && one.mptcp.includes(DSS)) established ??= one.at;
  }
  return delays;
}
