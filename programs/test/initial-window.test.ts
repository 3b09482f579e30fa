import { ipv4 } from "tsbpf";
import { connect, createHost, load } from "tsbpf/testing";
import { describe, expect, test } from "vitest";

const source = new URL("../initial-window.ts", import.meta.url);
type Module = typeof import("../initial-window.ts");
const trusted = ipv4("10.1.2.3");
const stranger = ipv4("198.51.100.7");

describe.each(["mainline", "patched"] as const)("initial window on %s", (target) => {
  test("the client asks, the server grants", async () => {
    const { initialWindow } = await load<Module>(source, { target });
    initialWindow.established("client");
    expect(initialWindow.write()).toEqual(Uint8Array.of(66, 4, 0, 20));

    const server = initialWindow.on({ remoteIp4: trusted });
    server.established("server");
    server.parse([66, 4, 0, 30]);
    expect(server.sockOpts.TCP_BPF_IW).toBe(30);
    expect(server.conn.sndCwnd).toBe(30);
  });

  test("the wire format of the paper: 40 segments are 42 04 00 28", async () => {
    const { initialWindow } = await load<Module>(source, { target, params: { wantedWindow: 40 } });
    initialWindow.established("client");
    expect(initialWindow.write()).toEqual(Uint8Array.of(0x42, 0x04, 0x00, 0x28));
  });

  test("no more than the limit, which the loader sets", async () => {
    const { initialWindow } = await load<Module>(source, { target, params: { largestWindow: 16 } });
    initialWindow.established("server", { remoteIp4: trusted });
    initialWindow.parse([66, 4, 0xff, 0xff]);
    expect(initialWindow.sockOpts.TCP_BPF_IW).toBe(16);
  });

  test("strangers get nothing", async () => {
    const { initialWindow } = await load<Module>(source, { target });
    initialWindow.established("server", { remoteIp4: stranger });
    initialWindow.parse([66, 4, 0, 30]);
    expect(initialWindow.sockOpts).toEqual({});
  });

  test("a kernel that refuses is told of", async () => {
    const host = createHost();
    host.fail("setsockopt", -22);
    const { initialWindow } = await load<Module>(source, { target, host });
    initialWindow.established("server", { remoteIp4: trusted });
    initialWindow.parse([66, 4, 0, 30]);
    expect(initialWindow.logged).toEqual(["initial window 30 refused for 10.1.2.3"]);
  });

  test("too late: once data is sent, the window is what the connection has earned", async () => {
    const { initialWindow } = await load<Module>(source, { target });
    initialWindow.established("server", { remoteIp4: trusted });
    initialWindow.send(1000);
    initialWindow.parse([66, 4, 0, 30]);
    expect(initialWindow.sockOpts).toEqual({});
    expect(initialWindow.logged).toHaveLength(1);
  });

  test("from one end to the other, the first flight is as large as the client asked", async () => {
    const { initialWindow } = await load<Module>(source, { target });
    const server = initialWindow.on({ remoteIp4: trusted });
    const network = connect(initialWindow.on(), server);
    network.open();
    network.transfer("client", 100);
    const before = network.segments.length;
    network.transfer("server", 60_000);
    const first = network.segments.slice(before).filter((one) => one.from === "server" && one.payload > 0);
    const flight = first.filter((one) => one.at === first[0]!.at);
    expect(flight).toHaveLength(20);
  });
});
