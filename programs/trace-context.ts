// Trace context: which distributed trace the bytes of a connection belong to.
//
// Why: a trace follows a request through many services. Where the protocol above TCP has no place for its context, or may not be touched,
// TCP can carry it: whoever serves the connection, or looks at it on the way, learns the trace without reading the data.
//
// Format (26 bytes, as OpenTelemetry's eBPF instrumentation has it): kind 25, length 26, 16 bytes of trace id, 8 bytes of span id
// (W3C Trace Context). 28 bytes with padding are all that time stamps leave, so a SYN, which has more options, goes without.
//
// The process, or an agent for it, puts the context into `outgoing` with the socket's descriptor as key: before connect() or for each
// request anew, by bpf_map_update_elem(). It goes out on segments with data, until it is taken out again. The peer's process finds what came last in
// `incoming`, by the descriptor of its own socket. A trace id of zeros is none. Not for the patched kernel, whose options have 16 bytes at most.
//
// A path that drops segments with options it does not know would stall the connection: where the first data that carried a context is
// sent again for the second time and nothing of it was acknowledged, the connection goes on without.
import { array, license, param, SkStorage, struct, u32, u64, u8 } from "tsbpf";
import { tcpOption, type LeavingSegment, type OptionConn } from "tsbpf/tcp";

license("GPL");

/** 0: contexts are neither written nor read. */
export const enabled = param(u8, 1);

class TraceContext extends struct({ traceId: array(u8, 16), spanId: array(u8, 8) }) {}
const CONTEXT_BYTES = 24;
/** `proof`: with so many bytes acknowledged, data that carried a context has arrived. `again`: how often some was sent again before that. */
class Way extends struct({ proof: u64, again: u32 }) {}
const MOST_TRIES = 2;

export const outgoing = new SkStorage({ value: TraceContext });
export const incoming = new SkStorage({ value: TraceContext });
const ways = new SkStorage({ value: Way });

function isDropped(conn: OptionConn, segment: LeavingSegment): boolean {
  const way = ways.getOrCreate(conn);
  if (!way) return false;
  if (way.proof === 0n) way.proof = conn.bytesAcked + u64(u32(conn.sndNxt - conn.sndUna)) + 1n;
  if (!segment.retransmitted || conn.bytesAcked >= way.proof) return false;
  way.again += 1;
  return way.again >= MOST_TRIES;
}

export const traceContext = tcpOption({
  kind: 25,
  payload: TraceContext,

  established(conn) {
    if (enabled !== 0) conn.startWriting();
  },

  length(conn, segment) {
    if (segment.payload === 0 || !outgoing.get(conn)) return 0;
    return CONTEXT_BYTES;
  },

  write(conn, option, segment) {
    const context = outgoing.get(conn);
    if (!context) return;
    option.traceId = context.traceId;
    option.spanId = context.spanId;
    if (isDropped(conn, segment)) conn.stopWriting();
  },

  parse(conn, option, segment) {
    if (enabled === 0 || segment.optionBytes !== CONTEXT_BYTES) return;
    const context = incoming.getOrCreate(conn);
    if (!context) return;
    context.traceId = option.traceId;
    context.spanId = option.spanId;
  },
});
