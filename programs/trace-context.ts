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
import { array, license, SkStorage, struct, u8 } from "tsbpf";
import { tcpOption } from "tsbpf/tcp";

license("GPL");

class TraceContext extends struct({ traceId: array(u8, 16), spanId: array(u8, 8) }) {}
const CONTEXT_BYTES = 24;

export const outgoing = new SkStorage({ value: TraceContext });
export const incoming = new SkStorage({ value: TraceContext });

export const traceContext = tcpOption({
  kind: 25,
  payload: TraceContext,

  established(conn) {
    conn.startWriting();
  },

  length(conn, segment) {
    if (segment.payload === 0 || !outgoing.get(conn)) return 0;
    return CONTEXT_BYTES;
  },

  write(conn, option) {
    const context = outgoing.get(conn);
    if (!context) return;
    option.traceId = context.traceId;
    option.spanId = context.spanId;
  },

  parse(conn, option, segment) {
    if (segment.optionBytes !== CONTEXT_BYTES) return;
    const context = incoming.getOrCreate(conn);
    if (!context) return;
    context.traceId = option.traceId;
    context.spanId = option.spanId;
  },
});
