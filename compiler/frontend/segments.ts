/** What handlers are told of the segment that leaves or arrives, beyond its flags. */
import type { ts } from "ts-morph";
import { has, kernels, TARGETS } from "../bpf/kernels.ts";
import { SOCK_OPS_FIELDS, TCP_FLAGS, WRITE_HEADER, type SockOpsField } from "../bpf/kinds/sock-ops.ts";
import type { Value } from "../ir/ir.ts";
import type { SegmentProperty } from "./context-properties.ts";
import { at, fail, type Lowering } from "./lowering.ts";
import type { Context, Operand } from "./operand.ts";
import { BOOL, U32 } from "./types.ts";

/** Where the header has what is asked (RFC 9293), and its length without options. */
const HEADER = { sequence: 4, offset: 12, bytes: 20 } as const;

export function segmentFact(f: Lowering, context: Context, name: SegmentProperty["segment"], node: ts.Node): Operand {
  switch (name) {
    case "payload":
      return { kind: "scalar", type: U32, value: payload(f, context, node) };
    case "retransmitted":
      return { kind: "scalar", type: BOOL, value: retransmitted(f, context, node) };
    case "optionBytes":
      return context.optionBytes
        ? { kind: "scalar", type: U32, value: context.optionBytes }
        : fail(f, "option-bytes", node, { isHandler: f.handler !== undefined });
    case "cookie":
      return cookie(f, context, node);
  }
}

const field = (f: Lowering, context: Context, name: SockOpsField, node: ts.Node): Value =>
  f.b.load("w32", 4, context.ctx, SOCK_OPS_FIELDS[name].offset, at(f, node), name);

/** A number of the TCP header; 0 where the kernel shows none, which it does in every event that has a segment. */
function headerNumber(f: Lowering, context: Context, offset: number, bytes: 1 | 4, node: ts.Node): Value {
  const span = at(f, node);
  const { skb_data, skb_data_end } = SOCK_OPS_FIELDS;
  const start = f.b.load("ptr packet", 8, context.ctx, skb_data.offset, span, "header");
  const shown = f.b.load("ptr packet-end", 8, context.ctx, skb_data_end.offset, span);
  const end = f.b.ptradd(start, f.b.constant("w64", BigInt(HEADER.bytes), span), span);
  const found = { type: "w32" as const, name: "header" };
  const [there, done] = [f.b.label(), f.b.label()];
  f.b.set(found, f.b.constant("w32", 0n, span));
  f.b.branch("ugt", end, shown, done, there, span);
  f.b.place(there);
  f.b.set(found, f.b.load("w32", bytes, start, offset, span));
  f.b.jump(done, span);
  f.b.place(done);
  const value = f.b.get(found);
  f.b.forget(found);
  return value;
}

/** The segment begins with its header, whose length is in its upper four bits of this byte, in words. */
function payload(f: Lowering, context: Context, node: ts.Node): Value {
  const span = at(f, node);
  const words = f.b.binary(
    "lshr",
    headerNumber(f, context, HEADER.offset, 1, node),
    f.b.constant("w32", 4n, span),
    span,
  );
  const header = f.b.binary("shl", words, f.b.constant("w32", 2n, span), span);
  const bytes = f.b.binary("sub", field(f, context, "skb_len", node), header, span);
  if (context.role !== "planned") return bytes;
  // Asked how long a full segment may be, there is none yet, and no flag: it will have data.
  const flags = field(f, context, "skb_tcp_flags", node);
  const none = f.b.compare("eq", flags, f.b.constant("w32", 0n, span), span);
  return f.b.binary("or", bytes, none, span);
}

/**
 * It begins before what is sent, or expected, next. Of a SYN-ACK that leaves the kernel does not tell; a SYN that arrives is counted
 * already, and is looked at once.
 */
function retransmitted(f: Lowering, context: Context, node: ts.Node): Value {
  const span = at(f, node);
  const sequence = f.b.unary("bswap32", headerNumber(f, context, HEADER.sequence, 4, node), span);
  const next = field(f, context, context.role === "leaving" ? "snd_nxt" : "rcv_nxt", node);
  const behind = f.b.binary("sub", sequence, next, span);
  const unknown = context.role === "leaving" ? TCP_FLAGS.syn | TCP_FLAGS.ack : TCP_FLAGS.syn;
  const flags = f.b.constant("w32", BigInt(unknown), span);
  const found = { type: "w32" as const, name: "retransmitted" };
  const [other, done] = [f.b.label(), f.b.label()];
  f.b.set(found, f.b.constant("w32", 0n, span));
  f.b.branch("eq", f.b.binary("and", field(f, context, "skb_tcp_flags", node), flags, span), flags, done, other, span);
  f.b.place(other);
  f.b.set(found, f.b.compare("slt", behind, f.b.constant("w32", 0n, span), span));
  f.b.jump(done, span);
  f.b.place(done);
  const value = f.b.get(found);
  f.b.forget(found);
  return value;
}

/** The patched kernel's events do not say it. */
function cookie(f: Lowering, context: Context, node: ts.Node): Operand {
  if (has(f.state.kernel, "tcp-option-events"))
    return fail(f, "needs-kernel", node, {
      what: "segment.cookie",
      target: f.state.target,
      other: TARGETS.find((name) => !has(kernels[name], "tcp-option-events"))!,
    });
  const span = at(f, node);
  const said = f.b.load("w32", 4, context.ctx, SOCK_OPS_FIELDS.args.offset, span, "cookie");
  const wanted = f.b.constant("w32", BigInt(WRITE_HEADER.synAckCookie), span);
  return { kind: "scalar", type: BOOL, value: f.b.compare("eq", said, wanted, span) };
}
