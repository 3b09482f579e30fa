// Telemetry: which switch on the way was the busiest, told by the segments themselves (TCP-INT).
//
// Why: a switch knows how long its queues are, and the host that fills them does not. With in-band telemetry each segment carries a
// few bytes that switches write into: what the busiest of them measured arrives with the data, and goes back to the sender with the ACKs.
//
// Format (12 bytes, kind 0x72): kind, length; 4 bits TagFreqKey, 4 bits LinkSpd; INTval, a switch's measure: it overwrites one that is smaller,
// with HopID, the time to live that it saw, and HopLat, 24 bits of latency; and the echo of what arrived last from the other side: INTEcr,
// 4 bits LnkSEcr and the lower 4 bits of HopID, and the upper 16 bits of HopLat. Without a switch that knows it, all but the first is 0.
//
// Both hosts run this. A process finds in `paths`, by the descriptor of its socket, what was said of its way to the peer; in `reports`, a ring
// buffer, comes each value that reaches `threshold`.
import { array, be16, be32, htons, Ip6, license, ntohs, param, RingBuf, SkStorage, struct, u16, u32, u8 } from "tsbpf";
import { tcpOption } from "tsbpf/tcp";

license("GPL");

/** The key of the interval at which switches are to tag, 0 to 15. */
export const tagFrequencyKey = param(u8, 1);
/** INTval from which on an echo is reported; 0: none is. */
export const threshold = param(u8, 0);

class Telemetry extends struct(
  { tag: u8, value: u8, hop: u8, latency: array(u8, 3), echoValue: u8, echoLink: u8, echoLatency: be16 },
  { packed: true },
) {}
/** What arrived last, to be echoed. */
class Seen extends struct({ link: u8, value: u8, hop: u8, latency: be16 }) {}
/** What the peer has echoed: of the way from here to there. `latency` in units of 256 of the switch's. */
class Path extends struct({ value: u8, link: u8, hop: u8, latency: u16, samples: u32 }) {}
/** Of a connection over IPv6 `remoteIp6` is the peer, of one over IPv4 `remoteIp4`, and the other says nothing. */
class Report extends struct({
  remoteIp6: Ip6,
  remoteIp4: be32,
  family: u16,
  remotePort: be16,
  latency: u16,
  value: u8,
  hop: u8,
}) {}

const seen = new SkStorage({ value: Seen });
export const paths = new SkStorage({ value: Path });
export const reports = new RingBuf({ value: Report, bytes: 65536 });

export const telemetry = tcpOption({
  kind: 0x72,
  payload: Telemetry,

  established(conn) {
    conn.startWriting();
  },

  write(conn, option) {
    option.tag = u8(tagFrequencyKey << 4);
    const last = seen.get(conn);
    if (!last) return;
    option.echoValue = last.value;
    option.echoLink = u8((last.link << 4) | (last.hop & 0xf));
    option.echoLatency = last.latency;
  },

  parse(conn, option) {
    if (option.hop !== 0) {
      const last = seen.getOrCreate(conn);
      if (last) {
        last.link = option.tag & 0xf;
        last.value = option.value;
        last.hop = option.hop;
        last.latency = htons(u16((option.latency[0] << 8) | option.latency[1]));
      }
    }
    if (option.echoLink === 0) return;
    const latency = ntohs(option.echoLatency);
    const path = paths.getOrCreate(conn);
    if (path) {
      path.value = option.echoValue;
      path.link = option.echoLink >> 4;
      path.hop = option.echoLink & 0xf;
      path.latency = latency;
      path.samples += 1;
    }
    if (threshold !== 0 && option.echoValue >= threshold)
      reports.output({
        remoteIp6: conn.remoteIp6,
        remoteIp4: conn.remoteIp4,
        family: u16(conn.family),
        remotePort: conn.remotePort,
        latency,
        value: option.echoValue,
        hop: option.echoLink & 0xf,
      });
  },
});
