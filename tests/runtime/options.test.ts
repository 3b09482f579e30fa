// Option handlers on this machine's own kernel, between two network namespaces: the bytes on the wire, and what they do.
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { load } from "../../runtime/api.ts";
import { capture, type Capture, type Segment } from "./capture.ts";
import { compiled } from "./compiled.ts";
import { openLab, until, whyNot, type Lab, type Peer } from "./lab.ts";

const skip = whyNot();
const TCP_USER_TIMEOUT = 18;
const TCP_CONGESTION = 13;
const SOL_TCP = 6;

describe.skipIf(skip)(skip ? `option handlers (skipped: ${skip})` : "option handlers", () => {
  let lab: Lab;
  let client: Peer;
  let server: Peer;
  let clientNet: string;
  let serverNet: string;
  let clientGroup: string;
  let serverGroup: string;
  let wire: Capture;
  let port = 6000;
  const open: { close(): void }[] = [];

  beforeAll(async () => {
    lab = openLab();
    clientNet = lab.netns("c");
    serverNet = lab.netns("s");
    lab.wire(clientNet, "v0", ["10.97.0.1/24", "fd97::1/64"], serverNet, "v1", ["10.97.0.2/24", "fd97::2/64"]);
    for (const net of [clientNet, serverNet]) lab.inside(net, "sysctl", "-qw", "net.ipv4.tcp_congestion_control=reno");
    // A tail-loss probe would send one segment more than the window while the acknowledgement is late.
    lab.inside(serverNet, "sysctl", "-qw", "net.ipv4.tcp_early_retrans=0");
    clientGroup = lab.cgroup("client");
    serverGroup = lab.cgroup("server");
    client = await lab.peer(clientNet, clientGroup);
    server = await lab.peer(serverNet, serverGroup);
    wire = capture(clientNet);
    lab.defer(() => wire.stop());
  });
  afterAll(() => lab?.close());
  afterEach(() => {
    for (const one of open.splice(0)) one.close();
  });

  /** Loads a program twice, with params of each side, attached to each side's cgroup. */
  const both = (name: string, params: Readonly<Record<string, unknown>>): void => {
    for (const group of [clientGroup, serverGroup]) {
      const object = load(compiled(name, "mainline"), { params });
      open.push(object);
      object.attach(group);
    }
  };
  const optionsOf = (kind: number, port: number): { readonly segment: Segment; readonly hex: string }[] =>
    wire.segments
      .filter((segment) => segment.sourcePort === port || segment.destinationPort === port)
      .flatMap((segment) =>
        segment.options.filter((option) => option.kind === kind).map((option) => ({ segment, hex: option.hex })),
      );
  const connect = async (
    mode = "echo",
    host = "10.97.0.2",
  ): Promise<{ id: number; accepted: number; port: number }> => {
    port++;
    await server.call("listen", { host, port, mode });
    const before = server.accepted.length;
    const id = await client.call<number>("connect", { host, port });
    await client.call("send", { id, length: 4 });
    await until("the connection is accepted", () => server.accepted.length > before);
    if (mode === "echo")
      await until(
        "the echo is back",
        async () => (await client.call<{ received: number }>("state", { id })).received === 4,
      );
    return { id, accepted: server.accepted.at(-1)!, port };
  };
  const readOption = async (peer: Peer, id: number, option: number, length: number): Promise<Buffer> => {
    const answer = await peer.call<{ bytes?: number[]; errno?: number }>("getsockopt", {
      id,
      level: SOL_TCP,
      option,
      length,
    });
    if (!answer.bytes) throw new Error(`getsockopt ${option}: errno ${answer.errno}`);
    return Buffer.from(answer.bytes);
  };

  it.each([
    ["IPv4", "10.97.0.2"],
    ["IPv6", "fd97::2"],
  ])("user timeout: 1c 04 00 01 is one second, and the peer adopts it (%s)", async (_family, host) => {
    both("user-timeout", { timeoutSeconds: 1 });
    const { accepted, port } = await connect("echo", host);
    const sent = optionsOf(28, port);
    expect(new Set(sent.map((one) => one.hex))).toEqual(new Set(["1c040001"]));
    expect(sent.every((one) => one.segment.destinationPort === port)).toBe(true);
    expect((await readOption(server, accepted, TCP_USER_TIMEOUT, 4)).readUInt32LE()).toBe(1000);
  });

  it("user timeout: the value of the params goes out, and is not written for ever", async () => {
    both("user-timeout", { timeoutSeconds: 299 });
    const { id, accepted, port } = await connect();
    await client.call("send", { id, length: 200_000 });
    await until(
      "all of it is back",
      async () => (await client.call<{ received: number }>("state", { id })).received === 200_004,
    );
    const sent = optionsOf(28, port);
    expect(sent[0]!.hex).toBe("1c04012b");
    expect((await readOption(server, accepted, TCP_USER_TIMEOUT, 4)).readUInt32LE()).toBe(299_000);
    const segments = wire.segments.filter((segment) => segment.destinationPort === port && segment.payload > 0).length;
    expect(sent.length).toBeLessThan(segments);
    const last = wire.segments.filter((segment) => segment.destinationPort === port && segment.payload > 0).at(-1)!;
    expect(last.options.some((option) => option.kind === 28)).toBe(false);
  });

  const schemeOf = async (accepted: number): Promise<string> =>
    (await readOption(server, accepted, TCP_CONGESTION, 16)).toString("latin1").replace(/\0.*/s, "");

  it.each([
    ["IPv4", "10.97.0.2"],
    ["IPv6", "fd97::2"],
  ])("congestion control: 42 04 00 03 makes the server use cubic, as ss shows (%s)", async (_family, host) => {
    both("congestion-control", {});
    const { accepted, port } = await connect("echo", host);
    expect(optionsOf(0x42, port)[0]!.hex).toBe("42040003");
    // The third segment of the handshake carries it, and none from the server.
    expect(optionsOf(0x42, port)[0]!.segment).toMatchObject({ syn: false, payload: 0, destinationPort: port });
    expect(optionsOf(0x42, port).every((one) => one.segment.destinationPort === port)).toBe(true);
    expect(await schemeOf(accepted)).toBe("cubic");
    const listed = lab.inside(serverNet, "ss", "-tniH", "state", "established", `( sport = :${port} )`);
    expect(listed).toMatch(/\bcubic\b/);
  });

  it("congestion control: the bundled program asks by its param, and a scheme that the server lacks changes nothing", async () => {
    const available = lab.inside(serverNet, "sysctl", "-n", "net.ipv4.tcp_available_congestion_control").split(/\s+/);
    // Without the program the server uses reno; 259 is 3 for a program that reads the low byte alone.
    for (const [wanted, name, hex] of [
      [2, "bbr", "42040002"],
      [0, "vegas", "42040000"],
      [4, undefined, "42040004"],
      [259, undefined, "42040103"],
    ] as const) {
      both("congestion-control", { wanted });
      const { accepted, port } = await connect();
      expect(optionsOf(0x42, port)[0]!.hex).toBe(hex);
      expect(await schemeOf(accepted), hex).toBe(name && available.includes(name) ? name : "reno");
      for (const one of open.splice(0)) one.close();
    }
  });

  /**
   * The client's side is slowed to 100 kbit/s, with a bucket that a request of two segments overdraws: its first
   * acknowledgement of the answer is about 100 ms late, and until then the server can send only its initial window.
   */
  const firstFlight = async (host: string): Promise<{ readonly segments: number; readonly port: number }> => {
    lab.inside(clientNet, "tc", "qdisc", "add", "dev", "v0", "root", "handle", "1:", "htb", "default", "1");
    try {
      lab.inside(
        clientNet,
        "tc",
        "class",
        "add",
        "dev",
        "v0",
        "parent",
        "1:",
        "classid",
        "1:1",
        "htb",
        "rate",
        "100kbit",
        "burst",
        "1600",
        "cburst",
        "1600",
      );
      port++;
      await server.call("listen", { host, port, mode: `once:${64 * 1448}` });
      const id = await client.call<number>("connect", { host, port });
      await client.call("send", { id, length: 2 * 1448 });
      await until(
        "the answer is there",
        async () => (await client.call<{ received: number }>("state", { id })).received >= 64 * 1448,
        20_000,
      );
      return { segments: flight(wire.segments, port), port };
    } finally {
      lab.inside(clientNet, "tc", "qdisc", "del", "dev", "v0", "root");
    }
  };

  it.each([4, 20, 40])(
    "initial window: the server's first flight has the %i segments that 42 04 asked for",
    async (segments) => {
      both("initial-window", { wantedWindow: segments, largestWindow: 64 });
      const found = await firstFlight("10.97.0.2");
      const option = optionsOf(0x42, found.port);
      expect(option[0]!.hex).toBe(`4204${segments.toString(16).padStart(4, "0")}`);
      expect(option[0]!.segment.syn).toBe(false);
      expect(found.segments).toBe(segments);
    },
  );

  it("initial window: an untrusted peer's wish is not granted, and no option goes with a SYN", async () => {
    lab.ip(clientNet, "addr", "add", "203.0.113.1/24", "dev", "v0");
    lab.ip(serverNet, "addr", "add", "203.0.113.2/24", "dev", "v1");
    both("initial-window", { wantedWindow: 40, largestWindow: 64 });
    const found = await firstFlight("203.0.113.2");
    expect(optionsOf(0x42, found.port).length).toBeGreaterThan(0);
    expect(optionsOf(0x42, found.port).filter((one) => one.segment.syn)).toEqual([]);
    expect(found.segments).toBe(10);
  });

  it("initial window: the client asks over IPv6, too, and the server trusts addresses of IPv4 alone", async () => {
    both("initial-window", { wantedWindow: 40, largestWindow: 64 });
    const found = await firstFlight("fd97::2");
    const options = optionsOf(0x42, found.port);
    expect(options[0]).toMatchObject({ hex: "42040028", segment: { syn: false, payload: 0 } });
    expect(options.filter((one) => one.segment.syn)).toEqual([]);
    expect(found.segments).toBe(10);
  });

  it("leaves connections alone once detached", async () => {
    both("user-timeout", { timeoutSeconds: 7 });
    for (const one of open.splice(0)) one.close();
    const { accepted, port } = await connect();
    expect(optionsOf(28, port)).toEqual([]);
    expect((await readOption(server, accepted, TCP_USER_TIMEOUT, 4)).readUInt32LE()).toBe(0);
  });
});

/** Full segments that the server sent before the first acknowledgement of any of its data was on the wire. */
function flight(segments: readonly Segment[], port: number): number {
  let bytes = 0;
  for (const segment of segments) {
    if (segment.sourcePort === port) bytes += segment.payload;
    else if (bytes > 0 && segment.destinationPort === port && segment.ack) break;
  }
  return Math.round(bytes / 1448);
}
