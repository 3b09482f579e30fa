/** Connections that come, go and stay while something happens to a service, and what was on the wire meanwhile. */
import { expect } from "vitest";
import { capture, type Segment } from "./capture.ts";
import { pause, until, type Lab, type Peer } from "./lab.ts";
import { MARK } from "./service-rig.ts";

export const SERVER = "10.78.0.2";

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
/** The version that a segment was marked by; undefined of one without the option. */
export const markOf = (segment: Segment): number | undefined => {
  const option = segment.options.find(({ kind }) => kind === MARK);
  return option && parseInt(option.hex.slice(4, 6), 16);
};

export interface Load {
  /** Has connections come and go, and others stay and talk, while `change` happens; what the server's sockets sent. */
  under(change: () => Promise<void>): Promise<{ readonly sent: readonly Segment[]; readonly connections: number }>;
}

/** Two namespaces with a wire; the server is in `cgroup`. `rate`: new connections per second. */
export async function openLoad(lab: Lab, cgroup: string, rate = 200): Promise<Load> {
  const [c, s] = [lab.netns("c"), lab.netns("s")];
  lab.wire(c, "v0", ["10.78.0.1/24"], s, "v1", [`${SERVER}/24`]);
  lab.inside(c, "sysctl", "-qw", "net.ipv4.ip_local_port_range=1024 65535", "net.ipv4.tcp_tw_reuse=1");
  const client = await lab.peer(c);
  const server = await lab.peer(s, cgroup);
  return { under: underLoad(c, client, server, rate) };
}

let port = 7600;
const underLoad =
  (c: string, client: Peer, server: Peer, rate: number): Load["under"] =>
  async (change) => {
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
            rate,
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
      return { sent: ofSockets(seen.segments), connections: done };
    } finally {
      seen.stop();
    }
  };
