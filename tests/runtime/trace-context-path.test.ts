// trace-context on a path that drops segments with its option: the data arrives without, and the connection goes on without.
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { load, type LoadedObject } from "../../runtime/api.ts";
import { mapInfo } from "../../runtime/kernel/info.ts";
import { capture, type Capture, type Segment } from "./capture.ts";
import { compiled } from "./compiled.ts";
import { FAMILIES, lose, noLosses } from "./dropping.ts";
import { optionOf } from "./option-life/program.ts";
import { openLab, until, whyNot, type Lab, type Peer } from "./lab.ts";

const skip = whyNot() ?? noLosses();
const KIND = 25;
const HOST = { IPv4: "10.93.0.2", IPv6: "fd93::2" } as const;
const CONTEXT = Array.from({ length: 24 }, (_, index) => 0x40 + index);
const OPTION = Buffer.from([KIND, 2 + CONTEXT.length, ...CONTEXT]).toString("hex");

describe.skipIf(skip)(skip ? `a path that drops (skipped: ${skip})` : "a path that drops segments with a trace", () => {
  let lab: Lab;
  let client: Peer;
  let server: Peer;
  let nets: { readonly client: string; readonly server: string };
  let groups: { readonly client: string; readonly server: string };
  let wire: Capture;
  let port = 6800;
  const open: LoadedObject[] = [];
  beforeAll(async () => {
    lab = openLab();
    nets = { client: lab.netns("c"), server: lab.netns("s") };
    lab.wire(nets.client, "v0", ["10.93.0.1/24", "fd93::1/64"], nets.server, "v1", ["10.93.0.2/24", "fd93::2/64"]);
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
  const attach = (side: "client" | "server"): number => {
    const object = load(compiled("trace-context", "mainline"));
    open.push(object);
    object.attach(groups[side]);
    return mapInfo(object.mapFds.get(side === "client" ? "outgoing" : "incoming")!).id;
  };
  const sentTo = (to: number): readonly Segment[] =>
    wire.segments.filter((one) => one.destinationPort === to && one.payload > 0);
  const connect = async (host: string) => {
    const maps = { out: attach("client"), in: attach("server") };
    await server.call("listen", { host, port: ++port, mode: "sink" });
    const known = server.accepted.length;
    const id = await client.call<number>("connect", { host, port });
    const accepted = await until("accepted", () => server.accepted[known]);
    let total = 0;
    return {
      to: port,
      hang: () => client.call("storage", { id, map: maps.out, bytes: CONTEXT }),
      known: () => server.call("storage", { id: accepted, map: maps.in, length: CONTEXT.length }),
      async send(length: number) {
        total += length;
        await client.call("send", { id, length });
        const received = async (): Promise<boolean> =>
          (await server.call<{ received: number }>("state", { id: accepted })).received === total;
        await until(`${total} bytes`, received, 20_000);
      },
    };
  };

  describe.each(FAMILIES)("over %s", (family) => {
    it.each([
      ["one small request", 100],
      ["more than the first window", 60_000],
    ])("the data arrives without it, and nothing has it afterwards: %s", { timeout: 60_000 }, async (_, length) => {
      const restore = lose(nets.server, "v1", family, { kind: KIND });
      try {
        const { to, hang, known, send } = await connect(HOST[family]);
        await hang();
        await send(length);
        const tried = sentTo(to).filter((one) => optionOf(one, KIND) === OPTION);
        // The first, and those that were sent again.
        expect(tried.length).toBeGreaterThan(2);
        await expect(known()).rejects.toThrow("errno 2");
        const before = sentTo(to).length;
        await send(500);
        await send(5_000);
        const later = sentTo(to).slice(before);
        expect(later.length).toBeGreaterThan(1);
        expect(later.map((one) => optionOf(one, KIND))).toEqual(later.map(() => undefined));
      } finally {
        restore();
      }
    });

    it("a trace that is hung on in the middle of a connection is given up as well", { timeout: 60_000 }, async () => {
      const restore = lose(nets.server, "v1", family, { kind: KIND });
      try {
        const { to, hang, known, send } = await connect(HOST[family]);
        await send(3_000);
        await hang();
        await send(3_000);
        await expect(known()).rejects.toThrow("errno 2");
        expect(sentTo(to).some((one) => optionOf(one, KIND) === OPTION)).toBe(true);
        const before = sentTo(to).length;
        await send(500);
        expect(
          sentTo(to)
            .slice(before)
            .map((one) => optionOf(one, KIND)),
        ).toEqual([undefined]);
      } finally {
        restore();
      }
    });

    it("what has once arrived is not given up by a path that is silent for a while", { timeout: 60_000 }, async () => {
      const { to, hang, known, send } = await connect(HOST[family]);
      await hang();
      await send(100);
      expect(await known()).toEqual(CONTEXT);
      const restore = lose(nets.server, "v1", family, { to });
      let sending: Promise<void>;
      try {
        sending = send(200);
        await until("it is sent again, and again", () => sentTo(to).filter((one) => one.payload === 200).length > 3);
      } finally {
        restore();
      }
      await sending;
      await send(300);
      expect(sentTo(to).map((one) => optionOf(one, KIND))).toEqual(sentTo(to).map(() => OPTION));
    });
  });
});
