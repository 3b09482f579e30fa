// Company: option programs of ours on one cgroup, a program of clang's beside them, and a child of the cgroup with its own. What is on the wire, to the byte.
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { load, type LoadedObject } from "../../runtime/api.ts";
import { compileC, hasClang } from "../bench/clang.ts";
import { capture, type Capture, type Segment } from "./capture.ts";
import { compiled } from "./compiled.ts";
import { openLab, until, whyNot, type Lab, type Peer } from "./lab.ts";
import { repository } from "./repository.ts";

const skip = whyNot() ?? (hasClang("clang-19") ? undefined : "no clang-19");

/** In the order in which they are attached: the child's run first, then the cgroup's. Lengths are those of their options. */
const CHILD = [{ program: "user-timeout", params: { timeoutSeconds: 9 }, kind: 28, bytes: 4 }] as const;
const PARENT = [
  { program: "telemetry", params: { tagFrequencyKey: 5 }, kind: 0x72, bytes: 12 },
  { program: "server-id", params: { serverId: 0xc0ffee }, kind: 183, bytes: 6 },
  { program: "initial-window-both", params: { wantedWindow: 20 }, kind: 66, bytes: 4 },
] as const;
const CLANG = { kind: 200, bytes: 4 };
const ROOM = 40;
/** The kernel's own: MSS, window scale, SACK, time stamps, NOP. */
const OWN = new Set([0, 1, 2, 3, 4, 5, 8]);

describe.skipIf(skip)(skip ? `company (skipped: ${skip})` : "company", () => {
  let lab: Lab;
  let wire: Capture;
  let client: Peer;
  let server: Peer;
  const objects: LoadedObject[] = [];
  let segments: readonly Segment[] = [];

  beforeAll(async () => {
    lab = openLab();
    const [c, s] = [lab.netns("c"), lab.netns("s")];
    lab.wire(c, "v0", ["10.94.0.1/24"], s, "v1", ["10.94.0.2/24"]);
    const above = lab.cgroup("company");
    const group = lab.cgroup("company/child");
    client = await lab.peer(c, group);
    server = await lab.peer(s, group);
    wire = capture(c);
    lab.defer(() => wire.stop());
    for (const [where, list] of [
      [above, PARENT],
      [group, CHILD],
    ] as const)
      for (const { program, params } of list) {
        const object = load(compiled(program, "mainline"), { params });
        objects.push(object);
        object.attach(where);
      }
    const theirs = load(
      compileC(join(repository, "tests/runtime/shared-writing/beside.bpf.c"), "clang-19", "v3", "mainline"),
    );
    objects.push(theirs);
    theirs.attach(above);
    lab.defer(() => objects.forEach((one) => one.close()));
    await server.call("listen", { host: "10.94.0.2", port: 7300, mode: "echo" });
    const id = await client.call<number>("connect", { host: "10.94.0.2", port: 7300 });
    for (let turn = 1; turn <= 4; turn++) {
      await client.call("send", { id, length: 100 });
      await until(
        "the echo",
        async () => (await client.call<{ received: number }>("state", { id })).received === 100 * turn,
        20_000,
      );
    }
    await client.call("end", { id });
    await until("both have said FIN", () => wire.segments.filter((one) => one.fin).length >= 2);
    segments = [...wire.segments];
  }, 120_000);
  afterAll(() => lab?.close());

  const lengths = new Map([...CHILD, ...PARENT, CLANG].map(({ kind, bytes }) => [kind, bytes]));
  const ours = (one: Segment): number[] => one.options.map(({ kind }) => kind).filter((kind) => !OWN.has(kind));

  it("every option has its own bytes, once, and the 40 are kept", () => {
    expect(segments.length).toBeGreaterThan(8);
    for (const one of segments) {
      const kinds = ours(one);
      expect(new Set(kinds).size, String(kinds)).toBe(kinds.length);
      for (const { kind, hex } of one.options)
        if (!OWN.has(kind))
          expect(`${kind}: ${hex.length / 2} ${parseInt(hex.slice(2, 4), 16)}`).toBe(
            `${kind}: ${lengths.get(kind)} ${lengths.get(kind)}`,
          );
      const bytes = one.options.reduce((sum, { kind, hex }) => sum + (kind < 2 ? 1 : hex.length / 2), 0);
      expect(bytes).toBeLessThanOrEqual(ROOM);
    }
  });

  it("where there is room for all, all are there, the child's first, in the order in which they were attached", () => {
    const data = segments.filter((one) => one.payload > 0 && one.sourcePort === 7300);
    expect(data.length).toBeGreaterThan(2);
    const order = [...CHILD, ...PARENT, CLANG].map(({ kind }) => kind);
    for (const one of data) {
      const kinds = ours(one);
      expect(kinds).toEqual(order.filter((kind) => kinds.includes(kind)));
      expect(kinds).toContain(0x72);
      expect(kinds).toContain(200);
    }
  });

  it("a SYN-ACK carries the server's number", () => {
    const [synAck] = segments.filter((one) => one.syn && one.ack);
    expect(synAck!.options.find(({ kind }) => kind === 183)?.hex).toBe("b70600c0ffee");
  });
});
