/** Sessions in the kernel, with the recorder attached on both sides: what it wrote, by side. */
import { spawnSync } from "node:child_process";
import type { TargetName } from "../../../compiler/bpf/kernels.ts";
import { load, type LoadedObject } from "../../../runtime/api.ts";
import { codecFor } from "../../../runtime/kernel/codec.ts";
import { compiled } from "../compiled.ts";
import { openLab, pause, until, type Lab, type Peer } from "../lab.ts";
import { limitsSource, resultCount, VALUES } from "./limits.ts";
import { recorderSource } from "./program.ts";
import { SESSION, timeouts, type Recorded, type Session, type Sides } from "./session.ts";

/** Two hosts, a client and a server in cgroups of their own. */
export async function hosts(family: Session["family"], run: (hosts: Hosts) => Promise<void>): Promise<void> {
  const lab = openLab();
  try {
    const c = lab.netns("c");
    const s = lab.netns("s");
    const { client, server, prefix } = SESSION[family];
    // An IPv6 address that is still being looked for elsewhere takes no SYN.
    for (const net of [c, s]) lab.inside(net, "sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0");
    lab.wire(c, "v0", [`${client}/${prefix}`], s, "v1", [`${server}/${prefix}`]);
    for (const net of [c, s]) {
      lab.inside(net, "sysctl", "-qw", "net.ipv4.tcp_congestion_control=reno");
      // A probe for lost tails would come before the timer.
      lab.inside(net, "sysctl", "-qw", "net.ipv4.tcp_early_retrans=0");
      lab.inside(net, "sysctl", "-qw", `net.ipv4.ip_local_port_range=${SESSION.clientPort} ${SESSION.clientPort + 1}`);
    }
    // A device that has just been set up may lose what it is given, the answer to the first neighbour solicitation too: the SYN
    // waits for the next one, a second later, and by then its timer has fired.
    await until(
      "the hosts hear each other",
      () => [[c, server] as const, [s, client] as const].every(([net, to]) => hears(lab, net, to)),
      PATIENCE,
    );
    const groups = { client: lab.cgroup("client"), server: lab.cgroup("server") };
    const deaf = (change: "-A" | "-D"): void =>
      void lab.inside(s, "iptables", change, "INPUT", "-p", "tcp", "--dport", `${SESSION.serverPort}`, "-j", "DROP");
    await run({
      where: { host: server, port: SESSION.serverPort },
      groups,
      deaf,
      client: await lab.peer(c, groups.client),
      server: await lab.peer(s, groups.server),
    });
  } finally {
    lab.close();
  }
}
/** Makes neighbours known, by a datagram that nobody waits for. */
function hears(lab: Lab, net: string, to: string): boolean {
  if (lab.ip(net, "neigh", "show", to).includes("lladdr")) return true;
  lab.inside(net, process.execPath, "-e", DATAGRAM, to);
  return lab.ip(net, "neigh", "show", to).includes("lladdr");
}
const DATAGRAM = `
  const { isIPv6 } = require("node:net");
  const socket = require("node:dgram").createSocket(isIPv6(process.argv[1]) ? "udp6" : "udp4");
  socket.on("error", () => socket.close());
  socket.send("x", 9, process.argv[1], () => socket.close());`;
export interface Hosts {
  readonly where: { readonly host: string; readonly port: number };
  /** Begins (-A) or ends (-D) to lose what comes to the server's port. */
  readonly deaf: (change: "-A" | "-D") => void;
  readonly groups: { readonly client: string; readonly server: string };
  readonly client: Peer;
  readonly server: Peer;
}
/** Why data cannot be lost here; undefined: it can. */
export const whyNoLoss = (): string | undefined =>
  spawnSync("iptables", ["--version"]).status === 0 ? undefined : "no iptables";

export async function recordKernel(target: TargetName, session: Session): Promise<Sides> {
  const module = compiled("recorder", target, recorderSource(target));
  const open: LoadedObject[] = [];
  let found: Sides | undefined;
  await hosts(session.family, async ({ groups, where, deaf, ...peers }) => {
    const sides: { client: Recorded[]; server: Recorded[] } = { client: [], server: [] };
    const objects = Object.fromEntries(
      (["client", "server"] as const).map((side) => {
        const object = load(module);
        open.push(object);
        object.attach(groups[side]);
        return [side, object];
      }),
    ) as Record<keyof Sides, LoadedObject>;
    await peers.server.call("listen", where);
    const id = await peers.client.call<number>("connect", where);
    await until("accepted", () => peers.server.accepted.length > 0, PATIENCE);
    const accepted = peers.server.accepted[0]!;
    const received = (side: "client" | "server", id: number, bytes: number): Promise<boolean> =>
      until(
        `${bytes} bytes`,
        async () => (await peers[side].call<{ received: number }>("state", { id })).received === bytes,
        PATIENCE,
      );
    const taken = (side: "client" | "server"): Recorded[] => {
      const ring = objects[side].rings["records"]!;
      const codec = codecFor(ring.layout!);
      const found: Recorded[] = [];
      ring.reader().drain((view, offset) => void found.push(codec.read(view, offset) as unknown as Recorded));
      return found;
    };
    const take = (): void => {
      for (const side of ["client", "server"] as const) sides[side].push(...taken(side));
    };
    const timedOut = (): boolean => {
      take();
      return timeouts(sides) > 0;
    };
    if (session.loses) deaf("-A");
    await peers.client.call("send", { id, length: SESSION.asked });
    if (session.loses) {
      await until("the timer fires", timedOut, PATIENCE);
      deaf("-D");
    }
    await received("server", accepted, SESSION.asked);
    // Acknowledgements that are delayed are there by then.
    await pause(QUIET);
    await peers.server.call("send", { id: accepted, length: SESSION.answered });
    await received("client", id, SESSION.answered);
    await pause(QUIET);
    await peers.client.call("end", { id });
    const closed = (records: readonly Recorded[]): boolean =>
      records.some((one) => one.op === STATE_EVENT && one.arg1 === CLOSED);
    await until(
      "both sides are closed",
      () => {
        take();
        return closed(sides.client) && closed(sides.server);
      },
      PATIENCE,
    );
    found = sides;
  }).finally(() => {
    for (const object of open) object.close();
  });
  return found!;
}
const PATIENCE = 20_000;
const QUIET = 300;
const STATE_EVENT = 10;
const CLOSED = 7;

/** What the kernel answers to every value; see limits.ts for the order. */
export async function limitsOfKernel(target: TargetName): Promise<number[]> {
  const object = load(compiled("limits", target, limitsSource(target)));
  try {
    VALUES.forEach((value, index) => object.maps["values"]!.set(index, value));
    await hosts("ipv4", async ({ groups, where, client, server }) => {
      object.attach(groups.client);
      await server.call("listen", where);
      await client.call("connect", where);
    });
    return Array.from({ length: resultCount(target) }, (_, index) => Number(object.maps["results"]!.get(index)));
  } finally {
    object.close();
  }
}
