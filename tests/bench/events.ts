/** Events for the programs: a fixed list that stands for the life of connections, and random ones. */
import fc from "fast-check";
import { SOCK_OPS_EVENTS, type SockOpsField } from "../../compiler/bpf/kinds/sock-ops.ts";
import { has, kernels, type TargetName } from "../../compiler/bpf/kernels.ts";
import type { Twin } from "./twins.ts";

export interface SockOpsEvent {
  readonly op: number;
  /** args[0] … args[3] as the kernel sets them. */
  readonly args: readonly number[];
  readonly fields: Readonly<Partial<Record<SockOpsField, number | bigint | readonly number[]>>>;
  /** TCP options of the segment at hand, for bpf_load_hdr_opt. */
  readonly segment: readonly number[];
  /** Changes to maps by user space before the event: the local addresses that the daemon keeps. */
  readonly locals?: readonly LocalSlot[];
  /** What user space hangs on the socket before the event; undefined: takes off. */
  readonly storage?: readonly { readonly map: string; readonly value: readonly number[] | undefined }[];
  /** There is a request, and no socket yet. */
  readonly request?: boolean;
  /** The segment's TCP header, where programs are shown it; its length in words. */
  readonly header?: { readonly sequence: number; readonly words: number };
  /** What the next helper calls answer instead of 0; false conditions of programs must be met too. */
  readonly failing?: number;
  /** The socket's callback flags, where another program has set them. */
  readonly callbacks?: number;
}

/** A slot of the local addresses: an IPv4 address in memory order, or the last word of an IPv6 one (fd01:: before it). */
export interface LocalSlot {
  readonly index: number;
  readonly addr: number;
  readonly inUse: boolean;
  readonly wide?: boolean;
}

const OP = Object.fromEntries(Object.entries(SOCK_OPS_EVENTS).map(([name, row]) => [name, row.op])) as Record<
  keyof typeof SOCK_OPS_EVENTS,
  number
>;
const event = (op: number, more: Partial<SockOpsEvent> = {}): SockOpsEvent => ({
  op,
  args: [0, 0, 0, 0],
  fields: {},
  segment: [],
  ...more,
});
const words = (bytes: readonly number[]): number[] =>
  [0, 1, 2, 3].map((i) => [0, 1, 2, 3].reduce((word, j) => (word | ((bytes[4 * i + j] ?? 0) << (8 * j))) >>> 0, 0));

/** The event with which the patched kernel hands an option over (kernel/README.md, op 66). */
export function parseEvent(option: readonly number[], fields: SockOpsEvent["fields"] = {}): SockOpsEvent {
  const data = words(option);
  return event(OP.ParseOptions, {
    args: [option[0] ?? 0, option[1] ?? 0, data[0]!, 0],
    fields: { ...fields, opt_data: data },
  });
}

const ADDRESS = 0x0100_000a; // 10.0.0.1 in memory order
/** The next sequence number that is sent, and expected. */
const NEXT = 1_000_000;
const connection = {
  snd_nxt: NEXT,
  snd_una: NEXT,
  rcv_nxt: NEXT,
  remote_ip4: 0x0200_000a,
  local_ip4: ADDRESS,
  remote_port: 0x901f_0000,
  local_port: 4242,
  rtt_min: 40_000,
  mptcp_loc_token: 77,
};

const optionBytes = (twin: Twin, payload: readonly number[]): number[] => {
  const { kind, length } = twin.option!;
  return [kind, length, ...payload].slice(0, length);
};

const hasOptionEvents = (target: TargetName): boolean => has(kernels[target], "tcp-option-events");

/**
 * One client and one server connection from handshake to a few segments of data, in the proportions in which a kernel
 * delivers events: for each segment written two size questions and one write, for each received one parse.
 */
export function typicalEvents(twin: Twin, target: TargetName): readonly SockOpsEvent[] {
  if (twin.events === "path-manager") return pathManagerLife();
  const own = optionBytes(twin, twin.option!.payload);
  const foreign = [254, 6, 0xbe, 0xef, 0, 0];
  const at = (dataSegs: number): SockOpsEvent["fields"] => ({
    ...connection,
    data_segs_in: dataSegs,
    data_segs_out: dataSegs,
  });
  /** Of a segment with 40 bytes of options. */
  const header = { sequence: NEXT, words: 15 };
  const hangs = Object.entries(twin.storage ?? {});
  const hung = hangs.map(([map, length]) => ({ map, value: Array.from({ length }, (_, index) => index + 1) }));
  const taken = hangs.map(([map]) => ({ map, value: undefined }));
  const size = hasOptionEvents(target) ? OP.OptionsSize : OP.HeaderOptionLength;
  const write = hasOptionEvents(target) ? OP.OptionsWrite : OP.WriteHeaderOption;
  const parse = (option: readonly number[], fields: SockOpsEvent["fields"]): SockOpsEvent =>
    !hasOptionEvents(target)
      ? event(OP.ParseHeaderOption, { fields, segment: [1, 1, ...option] })
      : parseEvent(option, fields);
  const leaving = (n: number, flags = 0x10): SockOpsEvent["fields"] => ({
    ...at(n),
    skb_len: 60 + 100 * n,
    bytes_acked: BigInt(n),
    skb_tcp_flags: flags,
  });
  const segments = [0, 1, 2].flatMap((n) => [
    event(size, { fields: at(n), args: [0, 12, 0, 0] }),
    event(size, { fields: leaving(n), header, args: [0, 12, 0, 0] }),
    event(write, { fields: leaving(n), header, args: [0, twin.option!.length, 0, 0] }),
    { ...parse(own, leaving(n)), header },
  ]);
  const SYN_ACK = 0x12;
  const asked = { fields: leaving(0, SYN_ACK), header, request: true };
  const listening = twin.listens
    ? [event(OP.TcpListen, { fields: connection }), event(size, asked), event(write, asked)]
    : [];
  return [
    ...listening,
    event(OP.TcpConnect, { fields: connection, storage: hung }),
    event(OP.ActiveEstablished, {
      fields: leaving(0, SYN_ACK),
      segment: twin.listens && !hasOptionEvents(target) ? own : [2, 4, 5, 180, 1, 1],
    }),
    ...(twin.listens && hasOptionEvents(target) ? [parse(own, leaving(0, SYN_ACK))] : []),
    event(OP.PassiveEstablished, { fields: at(0), segment: hasOptionEvents(target) ? [] : own }),
    ...segments,
    parse(foreign, at(2)),
    ...(taken.length > 0 ? [event(OP.Rto, { fields: at(2), storage: taken }), parse(own, at(2))] : []),
    event(OP.Rto, { fields: at(2) }),
    event(OP.State, { fields: at(2), args: [1, 4, 0, 0] }),
  ];
}

/** The first `count` slots are in use; those whose bit is set in `wide` hold IPv6 addresses. */
const locals = (count: number, wide = 0): readonly LocalSlot[] =>
  Array.from({ length: 8 }, (_, index) => ({
    index,
    addr: ADDRESS + index * 0x0100_0000,
    inUse: index < count,
    wide: ((wide >> index) & 1) !== 0,
  }));
/** fd01::a00:1 for 10.0.0.1, as the four words of an IPv6 address. */
export const wideAddress = (addr: number): readonly number[] => [0x0000_01fd, 0, 0, addr];

function pathManagerLife(): SockOpsEvent[] {
  const fields = connection;
  const remote = (id: number): number => 0x0300_000a + id * 0x0100_0000;
  const announce = (id: number): SockOpsEvent =>
    event(OP.MptcpAddRemoteAddress, { fields, args: [remote(id), 0, id, 2] });
  const local = (op: number, addr: number): SockOpsEvent => event(op, { fields, args: [addr, 0, 0, 2] });
  const wide = { ...fields, family: 10, remote_ip6: wideAddress(remote(0)), local_ip6: wideAddress(ADDRESS) };
  const other = { ...wide, mptcp_loc_token: 78 };
  const wideEvent = (op: number, addr: number, id: number): SockOpsEvent =>
    event(op, { fields: { ...other, mptcp_addr6: wideAddress(addr) }, args: [0, 0, id, 10] });
  return [
    event(OP.ActiveEstablished, { fields, locals: locals(2) }),
    event(OP.MptcpNewSession, { fields, args: [77, 0, 0, 0] }),
    event(OP.MptcpFullyEstablished, { fields, args: [77, 1, 0, 0] }),
    announce(1),
    event(OP.MptcpFullyEstablished, { fields, args: [77, 0, 0, 0] }),
    announce(2),
    announce(2),
    local(OP.MptcpAddLocalAddress, ADDRESS + 0x0200_0000),
    event(OP.MptcpRemoveRemoteAddress, { fields, args: [0, 1, 0, 0] }),
    local(OP.MptcpRemoveLocalAddress, ADDRESS),
    announce(3),
    event(OP.MptcpNewSession, { fields: other, args: [78, 0, 0, 0], locals: locals(4, 0b1010) }),
    event(OP.MptcpFullyEstablished, { fields: other, args: [78, 1, 0, 0] }),
    wideEvent(OP.MptcpAddRemoteAddress, remote(1), 1),
    wideEvent(OP.MptcpAddLocalAddress, ADDRESS + 0x0500_0000, 0),
    wideEvent(OP.MptcpRemoveLocalAddress, ADDRESS, 0),
    ...subflowLife(),
    event(OP.MptcpCloseSession, { fields, args: [77, 0, 0, 0] }),
    event(OP.State, { fields, args: [1, 7, 0, 0] }),
  ];
}

/** Subflows that come up, quick and slow, break, and are looked at by a timer; and a server's session. */
function subflowLife(): SockOpsEvent[] {
  const own = (id: number, srttUs: number, bytes: number): SockOpsEvent["fields"] => ({
    ...connection,
    local_ip4: ADDRESS + id * 0x0100_0000,
    srtt_us: srttUs << 3,
    bytes_received: BigInt(bytes),
    bytes_acked: 100n,
  });
  const up = (id: number, srttUs: number): SockOpsEvent =>
    event(OP.MptcpSubflowEstablished, { fields: own(id, srttUs, 0), args: [id, 0, 0, id === 0 ? 1 : 0] });
  const broke = (id: number): SockOpsEvent =>
    event(OP.MptcpSubflowClosed, { fields: own(id, 0, 0), args: [id, 0, 0, 110] });
  const timer = (id: number, bytes: number): SockOpsEvent =>
    event(OP.MptcpTimer, { fields: own(id, 10_000, bytes), args: [id, 0, 0, id === 0 ? 1 : 0] });
  const served = { ...connection, mptcp_loc_token: 79, mptcp_flags: 3 };
  const local = (op: number, byLink: number): SockOpsEvent =>
    event(op, { fields: served, args: [ADDRESS + 0x0400_0000, 0, byLink, 2] });
  return [
    up(0, 10_000),
    up(1, 30_000),
    up(2, 4_000),
    timer(0, 5),
    timer(1, 5),
    broke(1),
    broke(1),
    timer(0, 200_000),
    timer(2, 0),
    timer(2, 1),
    event(OP.MptcpSubflowClosed, { fields: own(2, 0, 0), args: [2, 0, 0, 0] }),
    event(OP.MptcpNewSession, { fields: served, args: [79, 0, 0, 0] }),
    event(OP.MptcpFullyEstablished, { fields: served, args: [79, 1, 0, 0] }),
    local(OP.MptcpAddLocalAddress, 0),
    local(OP.MptcpRemoveLocalAddress, 1),
    local(OP.MptcpRemoveLocalAddress, 0),
  ];
}

/** Many more events than a kernel would deliver for a program, of any kind and in any order. */
export function randomEvents(twin: Twin, target: TargetName): fc.Arbitrary<readonly SockOpsEvent[]> {
  const uint = (max: number): fc.Arbitrary<number> => fc.nat({ max });
  const word = fc.oneof(uint(0xffff_ffff), uint(8));
  const segs = uint(4);
  const fields = fc.record({
    remote_ip4: fc.oneof(uint(0xffff_ffff), fc.constantFrom(0x0200_000a, 0x0100_a8c0, 0x0100_a8c1, ADDRESS)),
    local_ip4: fc.constantFrom(ADDRESS, ADDRESS + 0x0100_0000, 0),
    remote_port: uint(0xffff).map((port) => (port << 16) >>> 0),
    local_port: uint(0xffff),
    rtt_min: fc.oneof(word, uint(100_000)),
    data_segs_in: segs,
    data_segs_out: segs,
    state: uint(12),
    skb_tcp_flags: fc.constantFrom(0, 0x10, 0x18, 0x02, 0x12),
    mptcp_loc_token: uint(3),
    mptcp_flags: fc.oneof({ weight: 4, arbitrary: fc.constant(2) }, uint(7)),
    family: fc.constantFrom(2, 2, 10),
    // Mapped IPv4 among them.
    remote_ip6: fc.constantFrom([0, 0, 0xffff_0000, ADDRESS], wideAddress(ADDRESS), wideAddress(0x0300_000a)),
    local_ip6: fc.constantFrom(wideAddress(ADDRESS), wideAddress(ADDRESS + 0x0100_0000)),
    mptcp_addr6: fc.constantFrom([0, 0, 0, 0], wideAddress(0x0300_000a), wideAddress(0x0400_000a)),
    srtt_us: fc.oneof(uint(0xffff_ffff), uint(500_000), fc.constant(0)),
    bytes_received: fc.bigInt({ min: 0n, max: 200_000n }),
    bytes_acked: fc.oneof(fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), fc.bigInt({ min: 0n, max: 3n })),
    snd_nxt: fc.constantFrom(NEXT, NEXT + 100, 50),
    snd_una: fc.constantFrom(NEXT, 0xffff_fff0),
    rcv_nxt: fc.constantFrom(NEXT, NEXT + 100),
    skb_len: fc.constantFrom(0, 20, 60, 160),
  });
  const seen = fc.record(
    {
      header: fc.record({
        sequence: fc.constantFrom(NEXT, NEXT - 100, NEXT + 100, 50),
        words: fc.integer({ min: 5, max: 15 }),
      }),
      storage: fc
        .tuple(fc.constantFrom(...Object.keys(twin.storage ?? { none: 0 })), fc.option(uint(255), { nil: undefined }))
        .map(([map, value]) =>
          twin.storage?.[map] === undefined
            ? []
            : [
                {
                  map,
                  value:
                    value === undefined
                      ? undefined
                      : Array.from({ length: twin.storage[map] }, (_, at) => (value + at) & 0xff),
                },
              ],
        ),
    },
    { requiredKeys: [] },
  );
  const bytes = (max: number): fc.Arbitrary<number[]> => fc.array(uint(255), { maxLength: max });
  const { option } = twin;
  const own = option
    ? fc.oneof(
        {
          weight: 5,
          arbitrary: fc.array(uint(255), { minLength: 38, maxLength: 38 }).map((rest) => optionBytes(twin, rest)),
        },
        // Right kind, wrong length; right kind and length, the last bytes often zero.
        {
          weight: 1,
          arbitrary: fc
            .tuple(uint(12), bytes(12))
            .map(([length, rest]) =>
              [option.kind, length + 2, ...rest, ...Array<number>(14).fill(7)].slice(0, length + 2),
            ),
        },
        {
          weight: 1,
          arbitrary: bytes(4).map((rest) => [option.kind, option.length, ...rest, 0, 0, 0, 0].slice(0, option.length)),
        },
      )
    : fc.constant<number[]>([]);
  const foreign = fc
    .tuple(fc.constantFrom(8, 25, 28, 66, 67, 0x72, 183, 200, 201, 253, 254), bytes(14))
    .map(([kind, rest]) => [kind, rest.length + 2, ...rest]);
  const anyOption = fc.oneof({ weight: 3, arbitrary: own }, foreign);
  const segment = fc.array(anyOption, { maxLength: 2 }).map((options) => {
    const flat: number[] = [];
    for (const one of options) if (one.length >= 2 && flat.length + one.length <= 40) flat.push(...one);
    return flat;
  });
  const plainOps = hasOptionEvents(target)
    ? [3, 4, 5, 8, 10, 11, 64, 64, 65, 65, 67, 68]
    : [3, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15];
  const ops =
    twin.events === "path-manager"
      ? [4, 67, 68, 68, 69, 70, 70, 70, 71, 71, 72, 72, 73, 73, 74, 74, 75, 78, 78]
      : plainOps;
  const failing = fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.constantFrom(-1, -22, -28));
  const plain = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({ op: fc.constantFrom(...ops), args: argsFor(twin, word), fields, segment, failing }),
    },
    // Between two events another program may have changed the flags.
    {
      weight: 1,
      arbitrary: fc.record({
        op: fc.constantFrom(...ops),
        args: argsFor(twin, word),
        fields,
        segment,
        callbacks: fc.constantFrom(0, 0x40, 0x80, 0xff),
      }),
    },
  );
  const base =
    hasOptionEvents(target) && option
      ? fc.oneof(
          { weight: 2, arbitrary: plain },
          {
            weight: 1,
            arbitrary: fc
              .tuple(anyOption, fields, failing)
              .map(([bytes_, f, failing_]) => ({ ...parseEvent(bytes_, f), failing: failing_ })),
          },
        )
      : plain;
  const withLocals =
    twin.events === "path-manager"
      ? fc
          .tuple(
            base,
            fc.option(
              fc.tuple(uint(8), uint(255)).map(([count, wide]) => locals(count, wide)),
              { nil: undefined },
            ),
          )
          .map(([one, list]) => (list ? { ...one, locals: list } : one))
      : base;
  const { length, write } = hasOptionEvents(target)
    ? { length: OP.OptionsSize, write: OP.OptionsWrite }
    : { length: OP.HeaderOptionLength, write: OP.WriteHeaderOption };
  const whole = fc.tuple(withLocals, seen, uint(5)).map(([one, more, turn]) => ({
    ...one,
    ...more,
    // What is asked of a request is the bytes of its SYN-ACK.
    ...(twin.listens && turn === 0 && (one.op === length || one.op === write) ? { request: true } : {}),
  }));
  return fc.array(twin.events === "option" ? whole : withLocals, { minLength: 1, maxLength: 24 });
}

/** Path managers get few ids and addresses, so that what one event stores another one finds. */
function argsFor(twin: Twin, word: fc.Arbitrary<number>): fc.Arbitrary<number[]> {
  if (twin.events !== "path-manager") return fc.array(word, { minLength: 4, maxLength: 4 });
  const small = fc.nat({ max: 3 });
  const address = fc.constantFrom(0x0300_000a, 0x0400_000a, 0x0500_000a, 0x0600_000a);
  return fc.tuple(fc.oneof(address, small), small, small, fc.constantFrom(2, 2, 10)).map((args) => [...args]);
}
