// The bundled programs that write options, on this machine's kernel and over both families: their bytes on the wire, and what comes of them.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { load, type LoadedObject } from "../../runtime/api.ts";
import { mapInfo } from "../../runtime/kernel/info.ts";
import { compileC, hasClang } from "../bench/clang.ts";
import { capture, type Capture, type Segment } from "./capture.ts";
import { compiled } from "./compiled.ts";
import { FAMILIES } from "./dropping.ts";
import { optionOf } from "./option-life/program.ts";
import { openLab, pause, sh, until, whyNot, type Lab, type Peer } from "./lab.ts";
import { repository } from "./repository.ts";

const skip = whyNot();
const FACTS = {
  IPv4: { host: "10.95.0.2", proxies: { length: 96 + 24, address: "::ffff:10.95.0.0" }, headers: 20 + 20 },
  IPv6: { host: "fd95::2", proxies: { length: 64, address: "fd95::" }, headers: 40 + 20 },
} as const;

describe.skipIf(skip).each(FAMILIES)(`option programs over %s${skip ? ` (skipped: ${skip})` : ""}`, (family) => {
  const { host, proxies, headers } = FACTS[family];
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
    lab.wire(nets.client, "v0", ["10.95.0.1/24", "fd95::1/64"], nets.server, "v1", ["10.95.0.2/24", "fd95::2/64"]);
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
    await server.call("listen", { host, port: ++port, mode });
    return port;
  };
  /** A connection with an echo of four bytes. */
  const connection = async (to: number): Promise<{ id: number; accepted: number }> => {
    const before = server.accepted.length;
    const id = await client.call<number>("connect", { host, port: to });
    await client.call("send", { id, length: 4 });
    await until(
      "the echo is back",
      async () => (await client.call<{ received: number }>("state", { id })).received === 4,
    );
    return { id, accepted: await until("accepted", () => server.accepted[before]) };
  };
  const of = (number: number): readonly Segment[] =>
    wire.segments.filter(({ sourcePort, destinationPort }) => sourcePort === number || destinationPort === number);
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
      const id = await client.call<number>("connect", { host, port: to });
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
      const full = 1500 - headers - 12 - 28;
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
      trust.set(proxies, 1);
      for (const [map, kind, bytes] of [
        ["clients4", 200, [0x12, 0x34, 203, 0, 113, 9]],
        ["clients6", 201, [0x12, 0x34, 0x20, 0x01, 0x0d, 0xb8, ...new Array<number>(11).fill(0), 9]],
      ] as const) {
        const to = await listen();
        const known = server.accepted.length;
        const id = await client.call<number>("connect", {
          host,
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
      trust.set(proxies, 0);
      const to = await listen();
      const known = server.accepted.length;
      const storage = { map: ids(near, "clients4"), bytes: [0, 1, 2, 3, 4, 5] };
      const id = await client.call<number>("connect", { host, port: to, storage });
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

  it.skipIf(!hasClang("clang-19"))(
    "telemetry: what a switch has written is echoed, kept and reported, with the peer's address",
    { timeout: 60_000 },
    async () => {
      const folder = mkdtempSync(join(tmpdir(), "tsbpf-switch-"));
      const object = join(folder, "busy-switch.o");
      writeFileSync(
        object,
        compileC(join(repository, "tests/runtime/busy-switch.bpf.c"), "clang-19", "v3", "mainline"),
      );
      const tc = (...args: string[]): string => sh("tc", "-n", nets.server, ...args);
      tc("qdisc", "add", "dev", "v1", "clsact");
      try {
        tc("filter", "add", "dev", "v1", "ingress", "bpf", "da", "obj", object, "sec", "tc");
        // The hop is told by the time to live that the switch saw.
        lab.inside(nets.client, "sysctl", "-qw", "net.ipv4.ip_default_ttl=61", "net.ipv6.conf.v0.hop_limit=61");
        const near = attach("client", "telemetry", undefined, { threshold: 100 });
        const far = attach("server", "telemetry", undefined, { threshold: 100 });
        const reports = near.rings["reports"]!.stream()[Symbol.asyncIterator]();
        const to = await listen();
        const { id } = await connection(to);
        const first = await reports.next();
        expect(first.value).toMatchObject({
          ...(family === "IPv4"
            ? { family: 2, remoteIp4: 0x0a5f0002 }
            : { family: 10, remoteIp6: [0xfd950000, 0, 0, 2] }),
          remotePort: to,
          latency: 0x0123,
          value: 200,
          hop: 61 & 0xf,
        });
        const kept = (peer: Peer, one: number, object: LoadedObject): Promise<number[]> =>
          peer.call("storage", { id: one, map: mapInfo(object.mapFds.get("paths")!).id, length: 12 });
        const [value, link, hop, , ...latency] = await kept(client, id, near);
        expect([value, link, hop, latency[0], latency[1]]).toEqual([200, 4, 61 & 0xf, 0x23, 0x01]);
        // The way back has no switch: nothing is echoed to the server.
        await expect(kept(server, server.accepted.at(-1)!, far)).rejects.toThrow("errno 2");
        const echoes = of(to).filter((one) => one.sourcePort === to && !one.syn);
        expect(optionOf(echoes.at(-1)!, 0x72)).toBe("720c10000000" + "0000" + "c84d0123");
      } finally {
        tc("qdisc", "del", "dev", "v1", "clsact");
        rmSync(folder, { recursive: true });
      }
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
      const id = await client.call<number>("connect", { host, port: to });
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
