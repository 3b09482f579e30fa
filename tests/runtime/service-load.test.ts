// No segment goes without its option while the service is stopped, killed, restarted and given another program.
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { capture, type Segment } from "./capture.ts";
import { stopAll } from "./command.ts";
import { openLab, pause, until, whyNot, type Lab, type Peer } from "./lab.ts";
import { EVERY, MARK, openRig, type Rig } from "./service-rig.ts";

const skip = whyNot();
const SERVER = "10.78.0.2";

/** Segments of the server's sockets: after its FIN the kernel may answer for a socket that is gone, and it does for ports that are closed. */
function ofSockets(segments: readonly Segment[]): readonly Segment[] {
  const ended = new Set<number>();
  return segments.filter((one) => {
    if (one.from !== SERVER || one.rst) return false;
    if (one.syn) ended.delete(one.destinationPort);
    const isOver = ended.has(one.destinationPort);
    if (one.fin) ended.add(one.destinationPort);
    return !isOver;
  });
}
const markOf = (segment: Segment): number | undefined => {
  const option = segment.options.find(({ kind }) => kind === MARK);
  return option && parseInt(option.hex.slice(4, 6), 16);
};

describe.skipIf(skip)(skip ? `a service under load (skipped: ${skip})` : "a service under load", () => {
  let lab: Lab;
  let rig: Rig;
  let c: string;
  let web: string;
  let client: Peer;
  let server: Peer;
  let port = 7600;
  beforeAll(async () => {
    lab = openLab();
    rig = openRig(lab);
    c = lab.netns("c");
    const s = lab.netns("s");
    lab.wire(c, "v0", ["10.78.0.1/24"], s, "v1", [`${SERVER}/24`]);
    web = lab.cgroup("web");
    client = await lab.peer(c);
    server = await lab.peer(s, web);
    rig.build("first", EVERY());
    // The same with a map and another handler: another object, whose map is new.
    rig.build(
      "second",
      EVERY("export const parsed = new ArrayMap({ value: u64, maxEntries: 1 });")
        .replace("import { license", "import { ArrayMap, license, u64")
        .replace(
          "write(conn",
          "parse(conn) { const n = parsed.get(0); if (n !== undefined) parsed.set(0, n + 1n); },\n  write(conn",
        ),
    );
  });
  afterEach(() => {
    stopAll();
    rig.clean();
  });
  afterAll(() => lab?.close());

  /** Has connections come and go, and others stay and talk, while `change` happens; what the server's sockets sent. */
  async function under(change: () => Promise<void>): Promise<readonly Segment[]> {
    const listening = [++port, ++port] as const;
    await server.call("listen", { host: SERVER, port: listening[0], mode: "echo" });
    await server.call("listen", { host: SERVER, port: listening[1], mode: "close" });
    const seen = capture(c);
    try {
      const lasting = await Promise.all(
        Array.from({ length: 20 }, () => client.call<number>("connect", { host: SERVER, port: listening[0] })),
      );
      let isOver = false;
      const talking = (async () => {
        while (!isOver) {
          for (const id of lasting) await client.call("send", { id, length: 600 });
          await pause(5);
        }
      })();
      const coming = (async () => {
        let [done, failed] = [0, 0];
        while (!isOver) {
          const result = await client.call<{ done: number; failed: number }>("storm", {
            host: SERVER,
            port: listening[1],
            rate: 200,
            seconds: 0.5,
          });
          [done, failed] = [done + result.done, failed + result.failed];
        }
        return { done, failed };
      })();
      await change();
      await pause(300);
      isOver = true;
      await talking;
      const { done, failed } = await coming;
      expect([done > 100, failed]).toEqual([true, 0]);
      // Every segment that will come has come.
      await until("the wire is quiet", async () => {
        const before = seen.segments.length;
        await pause(200);
        return seen.segments.length === before;
      });
      return ofSockets(seen.segments);
    } finally {
      seen.stop();
    }
  }
  const says = (version: number, file: string, keep: boolean): void =>
    rig.says({ keep, programs: { web: { file, cgroup: web, params: { version } } } });

  it("with keep, across reload, stop, upgrade and SIGKILL no segment lacks its option", async () => {
    says(1, "first.o", true);
    let running = await rig.serve();
    const sent = await under(async () => {
      await pause(300);
      says(2, "first.o", true);
      expect(rig.ask("reload").code).toBe(0);
      await pause(300);
      // In order, and started again with another object.
      expect(await running.stop("SIGTERM")).toBe(0);
      await pause(300);
      says(3, "second.o", true);
      running = await rig.serve();
      await pause(300);
      for (let version = 4; version <= 6; version++) {
        await running.stop("SIGKILL");
        await pause(200);
        says(version, version % 2 === 0 ? "first.o" : "second.o", true);
        running = await rig.serve();
        await pause(200);
      }
    });
    const marks = sent.map(markOf);
    expect(sent.length).toBeGreaterThan(2000);
    expect(sent.filter((one) => markOf(one) === undefined)).toEqual([]);
    // Each of them wrote, and none after the next.
    expect([...new Set(marks)]).toEqual([1, 2, 3, 4, 5, 6]);
    expect(running.lines[0]).toMatch(/^web: takes over what process \d+ has left; its maps are kept$/);
  }, 180_000);

  it("without keep, segments lack it after the stop: this test would see one that does", async () => {
    says(1, "first.o", false);
    const running = await rig.serve();
    const sent = await under(async () => {
      await pause(300);
      expect(await running.stop("SIGTERM")).toBe(0);
    });
    const marks = sent.map(markOf);
    expect(marks.filter((mark) => mark === 1).length).toBeGreaterThan(100);
    expect(marks.filter((mark) => mark === undefined).length).toBeGreaterThan(100);
    expect(marks.indexOf(undefined)).toBeGreaterThan(marks.indexOf(1));
  }, 120_000);
});
