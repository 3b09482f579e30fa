/** One MPTCP session on the patched kernel through all its events, with the recorder attached on both sides. */
import { load } from "../../../runtime/api.ts";
import { codecFor } from "../../../runtime/kernel/codec.ts";
import { compiled } from "../compiled.ts";
import { openLab, pause, until } from "../lab.ts";
import { recorderSource } from "./program.ts";
import type { Recorded, Sides } from "./session.ts";

const PATIENCE = 60_000;
const PORT = 8300;
/** The first path, one more of the client's that it opens a subflow on, and an address of the server's that is announced. */
const HOSTS = { first: ["10.96.0.1", "10.96.0.2"], second: ["10.97.0.1", "10.97.0.2"], late: "10.97.0.9" } as const;

/** Numbers of events, from MptcpNewSession. */
export const EVENT = {
  newSession: 67,
  fullyEstablished: 68,
  closeSession: 69,
  addRemoteAddress: 70,
  removeRemoteAddress: 71,
  subflowEstablished: 72,
  subflowClosed: 73,
  addLocalAddress: 74,
  removeLocalAddress: 75,
  acceptSubflow: 76,
  subflowPriority: 77,
} as const;

/** What both sides heard of MPTCP, in order. */
export async function recordMptcp(): Promise<Sides> {
  const lab = openLab();
  const module = compiled("recorder", "patched", recorderSource("patched"));
  try {
    const c = lab.netns("c");
    const s = lab.netns("s");
    lab.wire(c, "v0", [`${HOSTS.first[0]}/24`], s, "v0", [`${HOSTS.first[1]}/24`]);
    lab.wire(c, "v1", [`${HOSTS.second[0]}/24`], s, "v1", [`${HOSTS.second[1]}/24`]);
    for (const net of [c, s]) {
      for (const device of ["all", "v0", "v1"]) lab.inside(net, "sysctl", "-qw", `net.ipv4.conf.${device}.rp_filter=0`);
      lab.ip(net, "mptcp", "limits", "set", "subflow", "8", "add_addr_accepted", "0");
    }
    const endpoint = (net: string, ...args: string[]): void => void lab.ip(net, "mptcp", "endpoint", ...args);
    const groups = { client: lab.cgroup("client"), server: lab.cgroup("server") };
    const sides: { client: Recorded[]; server: Recorded[] } = { client: [], server: [] };
    const objects = (["client", "server"] as const).map((side) => {
      const object = load(module);
      lab.defer(() => object.close());
      object.attach(groups[side]);
      return [side, object] as const;
    });
    /** What came since. */
    const drain = (): void => {
      for (const [of, object] of objects) {
        const ring = object.rings["records"]!;
        const codec = codecFor(ring.layout!);
        ring.reader().drain((view, offset) => {
          const one = codec.read(view, offset) as unknown as Recorded;
          if (one.op >= EVENT.newSession) sides[of].push(one);
        });
      }
    };
    const hears = (side: keyof Sides, event: keyof typeof EVENT, times = 1): Promise<boolean> =>
      until(
        `${side}: ${event}`,
        () => {
          drain();
          return sides[side].filter(({ op }) => op === EVENT[event]).length >= times;
        },
        PATIENCE,
      );

    const client = await lab.peer(c, groups.client);
    const server = await lab.peer(s, groups.server);
    await server.call("listen", { protocol: "mptcp", host: "0.0.0.0", port: PORT });
    const id = await client.call<number>("connect", { protocol: "mptcp", host: HOSTS.first[1], port: PORT });
    await client.call("send", { id, length: 1000 });
    await until("accepted", () => server.accepted.length > 0, PATIENCE);
    await server.call("send", { id: server.accepted[0]!, length: 1000 });
    await hears("client", "subflowEstablished");
    await hears("server", "subflowEstablished");
    // A subflow of the client's path manager, which becomes a backup and goes.
    endpoint(c, "add", HOSTS.second[0], "dev", "v1", "id", "5", "subflow");
    await hears("server", "acceptSubflow");
    await hears("server", "subflowEstablished", 2);
    endpoint(c, "change", "id", "5", "backup");
    await hears("server", "subflowPriority");
    endpoint(c, "delete", "id", "5");
    await hears("client", "subflowClosed");
    await hears("server", "subflowClosed");
    // Addresses of the server's come and go.
    endpoint(s, "add", HOSTS.second[1], "dev", "v1", "id", "7", "signal");
    await hears("client", "addRemoteAddress");
    endpoint(s, "delete", "id", "7");
    await hears("client", "removeRemoteAddress");
    lab.ip(s, "addr", "add", `${HOSTS.late}/24`, "dev", "v1");
    await hears("server", "addLocalAddress");
    lab.ip(s, "addr", "del", `${HOSTS.late}/24`, "dev", "v1");
    await hears("server", "removeLocalAddress");
    await client.call("close", { id });
    await server.call("close", { id: server.accepted[0]! });
    await hears("client", "closeSession");
    await hears("server", "closeSession");
    await pause(200);
    drain();
    return sides;
  } finally {
    lab.close();
  }
}
