/** TCP segments of a namespace as they go over its wires, read from a packet socket: the options are what the tests want. */
import { closeFd } from "../../runtime/kernel/fd.ts";
import { inNetns } from "../../runtime/kernel/places.ts";
import { syscalls } from "../../runtime/kernel/syscalls.ts";

const AF_PACKET = 17;
const SOCK_RAW = 3 | 0x80000 | 0x800;
const ETH_P_ALL_BE = 0x0300;
const SOL_SOCKET = 1;
const SO_RCVBUFFORCE = 33;

export interface Segment {
  readonly from: string;
  readonly to: string;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly syn: boolean;
  readonly ack: boolean;
  readonly fin: boolean;
  readonly rst: boolean;
  readonly sequence: number;
  readonly payload: number;
  /** Options in order: kind, and the whole option in hexadecimal. */
  readonly options: readonly { readonly kind: number; readonly hex: string }[];
  /** Microseconds since the capture began. */
  readonly at: number;
}
export interface Capture {
  readonly segments: readonly Segment[];
  stop(): void;
}

export function capture(netns: string): Capture {
  const calls = syscalls();
  const fd = inNetns(`/run/netns/${netns}`, () => calls.socket(AF_PACKET, SOCK_RAW, ETH_P_ALL_BE));
  if (fd < 0) throw new Error(`packet socket: ${fd}`);
  calls.setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, new Uint8Array(new Uint32Array([16 << 20]).buffer));
  const segments: Segment[] = [];
  const buffer = new Uint8Array(65536);
  const begin = process.hrtime.bigint();
  const watch = calls.watch(fd, () => {
    for (;;) {
      const length = calls.receive(fd, buffer, 0x40);
      if (length <= 0) return;
      const segment = parse(buffer.subarray(0, length), Number(process.hrtime.bigint() - begin) / 1000);
      if (segment) segments.push(segment);
    }
  });
  watch.keepAlive(false);
  return {
    segments,
    stop() {
      watch.close();
      closeFd(fd);
    },
  };
}

function parse(frame: Uint8Array, at: number): Segment | undefined {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  if (frame.length < 54) return undefined;
  const type = view.getUint16(12);
  const ip = 14;
  let tcp: number;
  let end: number;
  let from: string;
  let to: string;
  if (type === 0x0800 && frame[ip + 9] === 6) {
    tcp = ip + (frame[ip]! & 15) * 4;
    end = ip + view.getUint16(ip + 2);
    from = frame.subarray(ip + 12, ip + 16).join(".");
    to = frame.subarray(ip + 16, ip + 20).join(".");
  } else if (type === 0x86dd && frame[ip + 6] === 6) {
    tcp = ip + 40;
    end = tcp + view.getUint16(ip + 4);
    from = Buffer.from(frame.subarray(ip + 8, ip + 24)).toString("hex");
    to = Buffer.from(frame.subarray(ip + 24, ip + 40)).toString("hex");
  } else return undefined;
  const header = (frame[tcp + 12]! >> 4) * 4;
  const options: { kind: number; hex: string }[] = [];
  for (let option = tcp + 20; option < tcp + header;) {
    const kind = frame[option]!;
    if (kind === 0) break;
    const length = kind === 1 ? 1 : Math.max(2, frame[option + 1]!);
    if (kind !== 1) options.push({ kind, hex: Buffer.from(frame.subarray(option, option + length)).toString("hex") });
    option += length;
  }
  const flags = frame[tcp + 13]!;
  return {
    from,
    to,
    sourcePort: view.getUint16(tcp),
    destinationPort: view.getUint16(tcp + 2),
    syn: (flags & 2) !== 0,
    ack: (flags & 16) !== 0,
    fin: (flags & 1) !== 0,
    rst: (flags & 4) !== 0,
    sequence: view.getUint32(tcp + 4),
    payload: end - tcp - header,
    options,
    at,
  };
}
