// An option from SYN to FIN on this machine's kernel: which handler runs on which segment, what it is told of it, and the programs made of that.
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { TCP_FLAGS } from "../../compiler/bpf/kinds/sock-ops.ts";
import { load, type LoadedObject } from "../../runtime/api.ts";
import { mapInfo } from "../../runtime/kernel/info.ts";
import { capture, type Capture, type Segment } from "./capture.ts";
import { compiled } from "./compiled.ts";
import { flagsOf, lifeSource, optionOf, toldOf, type Seen } from "./option-life-program.ts";
import { openLab, pause, until, whyNot, type Lab, type Peer } from "./lab.ts";

const skip = whyNot();
const SOURCE = lifeSource(true);
const { syn, ack, fin, rst, psh } = TCP_FLAGS;
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

  it(
    "client-address: from the third ACK to the first acknowledged data, believed of the proxy",
    { timeout: 60_000 },
    async () => {
      const near = attach("client", "client-address");
      const far = attach("server", "client-address");
      const ids = (object: LoadedObject, map: string): number => mapInfo(object.mapFds.get(map)!).id;
      const trust = far.maps["proxies"]!;
      trust.set({ length: 96 + 24, address: "::ffff:10.95.0.0" }, 1);
      for (const [map, kind, bytes] of [
        ["clients4", 200, [0x12, 0x34, 203, 0, 113, 9]],
        ["clients6", 201, [0x12, 0x34, 0x20, 0x01, 0x0d, 0xb8, ...new Array<number>(11).fill(0), 9]],
      ] as const) {
        const to = await listen();
        const known = server.accepted.length;
        const id = await client.call<number>("connect", {
          host: "10.95.0.2",
          port: to,
          storage: { map: ids(near, map), bytes },
        });
        for (const length of [4, 4, 50_000]) {
          await client.call("send", { id, length });
          await pause(50);
        }
        await until(
          "the echo",
          async () => (await client.call<{ received: number }>("state", { id })).received === 50_008,
        );
        const ofClient = of(to).filter((one) => one.destinationPort === to);
        const hex = Buffer.from([kind, 2 + bytes.length, ...bytes]).toString("hex");
        expect(optionOf(ofClient[0]!, kind)).toBeUndefined();
        expect([ofClient[1]!, ofClient[2]!].map((one) => optionOf(one, kind))).toEqual([hex, hex]);
        expect(
          optionOf(
            ofClient.findLast((one) => one.payload > 0)!,
            kind,
          ),
        ).toBeUndefined();
        const accepted = await until("accepted", () => server.accepted[known]);
        expect(await server.call("storage", { id: accepted, map: ids(far, map), length: bytes.length })).toEqual([
          ...bytes,
        ]);
      }
      // Of a peer that is no proxy.
      trust.set({ length: 96 + 24, address: "::ffff:10.95.0.0" }, 0);
      const to = await listen();
      const known = server.accepted.length;
      const storage = { map: ids(near, "clients4"), bytes: [0, 1, 2, 3, 4, 5] };
      const id = await client.call<number>("connect", { host: "10.95.0.2", port: to, storage });
      await client.call("send", { id, length: 4 });
      const accepted = await until("accepted", () => server.accepted[known]);
      await until(
        "the data",
        async () => (await server.call<{ received: number }>("state", { id: accepted })).received === 4,
      );
      await expect(server.call("storage", { id: accepted, map: ids(far, "clients4"), length: 6 })).rejects.toThrow(
        "errno 2",
      );
    },
  );

  it(
    "telemetry: on every segment but the SYNs, and nothing to echo where no switch is",
    { timeout: 60_000 },
    async () => {
      for (const side of ["client", "server"] as const) attach(side, "telemetry", undefined, { tagFrequencyKey: 5 });
      const to = await listen();
      await connection(to);
      const options = of(to).map((one) => ({ syn: one.syn, hex: optionOf(one, 0x72) }));
      expect(options.length).toBeGreaterThan(4);
      for (const { syn, hex } of options) expect(hex).toBe(syn ? undefined : "720c50000000000000000000");
    },
  );

  it(
    "initial-window-both: asked for on the SYN-ACK, and granted to the client's first flight",
    { timeout: 60_000 },
    async () => {
      attach("client", "initial-window-both", undefined, { wantedWindow: 20 });
      attach("server", "initial-window-both", undefined, { wantedWindow: 40 });
      const to = await listen("sink");
      const known = server.accepted.length;
      const id = await client.call<number>("connect", { host: "10.95.0.2", port: to });
      const window = lab.inside(nets.client, "ss", "-tniH", `( dport = :${to} )`);
      expect(window).toMatch(/\bcwnd:40\b/);
      await until("accepted", () => server.accepted[known]);
      await client.call("send", { id, length: 4 });
      const ofServer = of(to).filter((one) => one.sourcePort === to);
      expect(optionOf(ofServer[0]!, 66)).toBe("42040028");
      const ofClient = of(to).filter((one) => one.destinationPort === to);
      expect([ofClient[0]!, ofClient[1]!].map((one) => optionOf(one, 66))).toEqual([undefined, "42040014"]);
      expect(ofServer.slice(1).filter((one) => optionOf(one, 66) !== undefined)).toEqual([]);
    },
  );
});
