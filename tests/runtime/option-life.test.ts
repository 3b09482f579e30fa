// An option from SYN to FIN on this machine's kernel: which handler runs on which segment, what it is told of it, and the programs made of that.
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { TCP_FLAGS } from "../../compiler/bpf/kinds/sock-ops.ts";
import { load, type LoadedObject } from "../../runtime/api.ts";
import { mapInfo } from "../../runtime/kernel/info.ts";
import { capture, type Capture, type Segment } from "./capture.ts";
import { compiled } from "./compiled.ts";
import { openLab, pause, until, whyNot, type Lab, type Peer } from "./lab.ts";

const skip = whyNot();
const KIND = 100;
/** Writes on every segment what it was told of it; notes what arrives. */
const SOURCE = `
import { ArrayMap, be16, htons, license, min, struct, u16, u32, u8 } from "tsbpf";
import { tcpOption, type ArrivingSegment, type LeavingSegment } from "tsbpf/tcp";
license("GPL");
class Told extends struct({ flags: u8, again: u8, payload: be16, syn: u8, cookie: u8 }) {}
class Seen extends struct({ count: u32, option: u8, again: u8, syn: u8 }) {}
export const seen = new ArrayMap({ value: Seen, maxEntries: 32 });
export const afterwards = new ArrayMap({ value: u32, maxEntries: 1 });
const leaves = (s: LeavingSegment): u32 => (s.fin ? 1 : 0) | (s.syn ? 2 : 0) | (s.rst ? 4 : 0) | (s.psh ? 8 : 0) | (s.ack ? 16 : 0);
const arrives = (s: ArrivingSegment): u32 => (s.fin ? 1 : 0) | (s.syn ? 2 : 0) | (s.rst ? 4 : 0) | (s.psh ? 8 : 0) | (s.ack ? 16 : 0);
export const life = tcpOption({
  kind: ${KIND},
  payload: Told,
  connecting(conn) { conn.startWriting(); },
  listening(conn) {
    conn.startWriting();
    conn.setSockOpt("TCP_SAVE_SYN", 1);
  },
  established(conn, side) {
    const syn = conn.synOption(${KIND}, Told);
    if (side === "server" && syn) afterwards.set(0, u32(syn.flags) + 0x100);
  },
  write(conn, option, segment) {
    option.flags = u8(leaves(segment));
    option.again = segment.retransmitted ? 1 : 0;
    option.payload = htons(u16(min(segment.payload, 65535)));
    option.cookie = segment.cookie ? 1 : 0;
    if (!segment.syn || !segment.ack) return;
    const syn = conn.synOption(${KIND}, Told);
    if (syn) option.syn = syn.flags | 0x80;
  },
  parse(conn, option, segment) {
    const flags = arrives(segment);
    const one = seen.get(flags & 31);
    if (!one) return;
    one.count += 1;
    one.option = option.flags;
    if (segment.retransmitted) one.again = 1;
    one.syn |= option.syn;
  },
});
`;
const { syn, ack, fin, rst, psh } = TCP_FLAGS;
interface Seen {
  readonly count: number;
  readonly option: number;
  readonly again: number;
  readonly syn: number;
}
/** What a segment says that the program was told of it. */
interface Told {
  readonly flags: number;
  readonly again: boolean;
  readonly payload: number;
  readonly syn: number;
  readonly cookie: boolean;
}

describe.skipIf(skip)(skip ? `the life of an option (skipped: ${skip})` : "the life of an option", () => {
  let lab: Lab;
  let client: Peer;
  let server: Peer;
  let nets: { readonly client: string; readonly server: string };
  let groups: { readonly client: string; readonly server: string };
  let wire: Capture;
  let port = 6400;
  const open: LoadedObject[] = [];
  const attach = (
    side: "client" | "server",
    name: string,
    text?: string,
    params?: Readonly<Record<string, unknown>>,
  ): LoadedObject => {
    const object = load(compiled(name, "mainline", text), params ? { params } : {});
    open.push(object);
    object.attach(groups[side]);
    return object;
  };
  beforeAll(async () => {
    lab = openLab();
    nets = { client: lab.netns("c"), server: lab.netns("s") };
    lab.wire(nets.client, "v0", ["10.95.0.1/24"], nets.server, "v1", ["10.95.0.2/24"]);
    groups = { client: lab.cgroup("client"), server: lab.cgroup("server") };
    client = await lab.peer(nets.client, groups.client);
    server = await lab.peer(nets.server, groups.server);
    wire = capture(nets.client);
    lab.defer(() => wire.stop());
  });
  afterAll(() => lab?.close());
  afterEach(() => {
    for (const one of open.splice(0)) one.close();
  });
  const listen = async (mode = "echo"): Promise<number> => {
    await server.call("listen", { host: "10.95.0.2", port: ++port, mode });
    return port;
  };
  /** A connection with an echo of four bytes. */
  const connection = async (to: number): Promise<{ id: number; accepted: number }> => {
    const before = server.accepted.length;
    const id = await client.call<number>("connect", { host: "10.95.0.2", port: to });
    await client.call("send", { id, length: 4 });
    await until(
      "the echo is back",
      async () => (await client.call<{ received: number }>("state", { id })).received === 4,
    );
    return { id, accepted: await until("accepted", () => server.accepted[before]) };
  };
  const of = (number: number): readonly Segment[] =>
    wire.segments.filter(({ sourcePort, destinationPort }) => sourcePort === number || destinationPort === number);
  const optionOf = (segment: Segment, kind = KIND): string | undefined =>
    segment.options.find((one) => one.kind === kind)?.hex;
  const toldOf = (segment: Segment): Told | undefined => {
    const hex = optionOf(segment);
    if (hex === undefined) return undefined;
    const bytes = Buffer.from(hex, "hex");
    return {
      flags: bytes[2]!,
      again: bytes[3] === 1,
      payload: bytes.readUInt16BE(4),
      syn: bytes[6]!,
      cookie: bytes[7] === 1,
    };
  };
  const flagsOf = (one: Segment): number =>
    (one.fin ? fin : 0) | (one.syn ? syn : 0) | (one.rst ? rst : 0) | (one.ack ? ack : 0);

  it(
    "leaves on SYN, SYN-ACK, third ACK, data, pure ACK and FIN, with what the segment is",
    { timeout: 60_000 },
    async () => {
      const sides = { client: attach("client", "life", SOURCE), server: attach("server", "life", SOURCE) };
      const to = await listen();
      const { id } = await connection(to);
      await client.call("end", { id });
      await until("both have said FIN", () => of(to).filter((one) => one.fin).length >= 2);
      await pause(200);
      const segments = of(to);
      const kinds = {
        SYN: segments.filter((one) => one.syn && !one.ack),
        "SYN-ACK": segments.filter((one) => one.syn && one.ack),
        "third ACK": segments.filter((one) => one.destinationPort === to && !one.syn).slice(0, 1),
        data: segments.filter((one) => one.payload > 0),
        "pure ACK": segments.filter((one) => !one.syn && !one.fin && one.payload === 0),
        FIN: segments.filter((one) => one.fin),
      };
      for (const [kind, some] of Object.entries(kinds)) {
        expect(some.length, kind).toBeGreaterThan(0);
        for (const segment of some) {
          const told = toldOf(segment);
          // The last answer is TIME_WAIT's, which is no connection any more.
          if (!told && kind === "pure ACK" && segment === segments.at(-1)) continue;
          expect({ kind, ...told, flags: (told?.flags ?? 0) & ~psh }).toMatchObject({
            kind,
            flags: flagsOf(segment),
            payload: segment.payload,
            again: false,
            cookie: false,
            syn: kind === "SYN-ACK" ? syn | 0x80 : 0,
          });
        }
      }
      // What arrives, by flags: the client's SYN-ACK; the server's third ACK; data, pure ACKs and FINs on both sides.
      const seen = (side: "client" | "server", flags: number): Seen =>
        sides[side].maps["seen"]!.get(flags) as unknown as Seen;
      expect(seen("client", syn | ack)).toMatchObject({ count: 1, option: syn | ack, again: 0, syn: syn | 0x80 });
      expect(seen("server", syn | ack).count).toBe(0);
      expect(seen("server", syn).count).toBe(0);
      for (const side of ["client", "server"] as const) {
        expect(seen(side, psh | ack)).toMatchObject({ option: psh | ack, again: 0 });
        expect(seen(side, psh | ack).count, `data, ${side}`).toBeGreaterThan(0);
        expect(seen(side, ack).count, `ACK, ${side}`).toBeGreaterThan(0);
        expect(seen(side, ack).again).toBe(0);
        expect(seen(side, fin | ack)).toMatchObject({ count: 1, option: fin | ack });
      }
      // The SYN that the listener saved.
      expect(sides.server.maps["afterwards"]!.get(0)).toBe(0x100 + syn);
    },
  );

  it("leaves on a RST of a connection, and a RST is not parsed", { timeout: 60_000 }, async () => {
    const receiver = attach("server", "life", SOURCE);
    attach("client", "life", SOURCE);
    const to = await listen();
    const { id } = await connection(to);
    await client.call("reset", { id });
    const reset = await until("a reset", () => of(to).find((one) => one.rst));
    expect(toldOf(reset)).toMatchObject({ flags: rst | ack, payload: 0 });
    await pause(100);
    for (const flags of [rst, rst | ack]) expect((receiver.maps["seen"]!.get(flags) as unknown as Seen).count).toBe(0);
  });

  it("tells a SYN cookie", { timeout: 60_000 }, async () => {
    lab.inside(nets.server, "sysctl", "-qw", "net.ipv4.tcp_syncookies=2");
    try {
      attach("client", "life", SOURCE);
      attach("server", "life", SOURCE);
      const to = await listen();
      await connection(to);
      const answer = of(to).find((one) => one.syn && one.ack)!;
      expect(toldOf(answer)).toMatchObject({ flags: syn | ack, cookie: true, syn: syn | 0x80 });
    } finally {
      lab.inside(nets.server, "sysctl", "-qw", "net.ipv4.tcp_syncookies=1");
    }
  });

  it("tells what is sent again: data that was lost", { timeout: 60_000 }, async () => {
    attach("client", "life", SOURCE);
    attach("server", "life", SOURCE);
    const to = await listen();
    // Lost behind the device, on arrival: a link that is down may tell the sender, for whom the segment then was never sent.
    const deaf = (): string => lab.ip(nets.server, "address", "del", "10.95.0.2/24", "dev", "v1");
    const hears = (): string => lab.ip(nets.server, "address", "add", "10.95.0.2/24", "dev", "v1");
    const { id } = await connection(to);
    deaf();
    await client.call("send", { id, length: 7 });
    await pause(400);
    hears();
    await until(
      "the echo is back",
      async () => (await client.call<{ received: number }>("state", { id })).received === 11,
      20_000,
    );
    const sent = of(to).filter((one) => one.destinationPort === to && one.payload === 7);
    expect(sent.length).toBeGreaterThan(1);
    expect(sent.map((one) => toldOf(one)?.again)).toEqual(sent.map((_, index) => index > 0));
  });

  it("server-id: on the SYN-ACK, and echoed on every segment of the client", { timeout: 60_000 }, async () => {
    attach("client", "server-id");
    attach("server", "server-id", undefined, { serverId: 0xc0ffee });
    const to = await listen();
    const { id } = await connection(to);
    await client.call("end", { id });
    await until("both have said FIN", () => of(to).filter((one) => one.fin).length >= 2);
    const named = "b70600c0ffee";
    const segments = of(to);
    const ofClient = segments.filter((one) => one.destinationPort === to);
    expect(optionOf(ofClient[0]!, 183)).toBeUndefined();
    // The last ACK is TIME_WAIT's.
    const living = ofClient.slice(1, ofClient.findIndex((one) => one.fin) + 1);
    expect(living.length).toBeGreaterThan(2);
    for (const segment of living) expect(optionOf(segment, 183)).toBe(named);
    const ofServer = segments.filter((one) => one.sourcePort === to);
    expect(ofServer.map((one) => optionOf(one, 183))).toEqual(ofServer.map((one) => (one.syn ? named : undefined)));
  });

  it(
    "trace-context: what the process hangs on its socket is on its data, and at the peer's process",
    { timeout: 60_000 },
    async () => {
      const sender = attach("client", "trace-context");
      const receiver = attach("server", "trace-context");
      const to = await listen("sink");
      const known = server.accepted.length;
      const id = await client.call<number>("connect", { host: "10.95.0.2", port: to });
      const accepted = await until("accepted", () => server.accepted[known]);
      const maps = {
        out: mapInfo(sender.mapFds.get("outgoing")!).id,
        in: mapInfo(receiver.mapFds.get("incoming")!).id,
      };
      await client.call("send", { id, length: 100 });
      const context = Array.from({ length: 24 }, (_, index) => 0x40 + index);
      await client.call("storage", { id, map: maps.out, bytes: context });
      await client.call("send", { id, length: 200 });
      await client.call("send", { id, length: 50_000 });
      await until(
        "all is there",
        async () => (await server.call<{ received: number }>("state", { id: accepted })).received === 50_300,
      );
      expect(await server.call("storage", { id: accepted, map: maps.in, length: 24 })).toEqual(context);
      const hex = Buffer.from([25, 26, ...context]).toString("hex");
      const ofClient = of(to).filter((one) => one.destinationPort === to);
      expect(ofClient.filter((one) => one.payload > 100).every((one) => optionOf(one, 25) === hex)).toBe(true);
      expect(ofClient.filter((one) => one.payload <= 100 && !one.fin).map((one) => optionOf(one, 25))).not.toContain(
        hex,
      );
      // Full segments, of which the kernel hands several over as one, leave room for it: with time stamps, 28 bytes are all there is.
      const full = 1500 - 20 - 20 - 12 - 28;
      const several = ofClient.filter((one) => one.payload > 2 * full);
      expect(several.some((one) => one.payload % full === 0)).toBe(true);
      expect(several.filter((one) => one.payload % (full + 28) === 0)).toEqual([]);
    },
  );
});
