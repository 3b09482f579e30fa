/** Packet schedulers in the patched kernel: each is registered, chosen by a session with two subflows, and seen at work on the two links. */
import { load } from "../../../runtime/api.ts";
import { openSessions } from "../../../runtime/mptcp/sock-diag.ts";
import { compiled } from "../../runtime/compiled.ts";
import { until, type Lab } from "../../runtime/lab.ts";

const PATIENCE = 120_000;
/** Bytes that each session sends. */
export const SENT = 2_000_000;

/** The bundled schedulers, and the names that they are chosen by. */
export const SCHEDULERS = {
  first: "ts_first",
  backup: "ts_backup",
  "round-robin": "ts_roundrobin",
  redundant: "ts_redundant",
  burst: "ts_burst",
  weighted: "ts_weighted",
  "by-dscp": "ts_by_dscp",
} as const;
export type SchedulerName = keyof typeof SCHEDULERS;
/** What is told of one: the data arrived, and how many bytes left over each link. */
export interface SchedulerFinding {
  readonly listed: boolean;
  readonly intact: boolean;
  readonly first: number;
  readonly second: number;
  readonly gone: boolean;
}

export async function schedulers(
  lab: Lab,
  report: (name: string, facts: Record<string, unknown>) => void,
): Promise<void> {
  const c = lab.netns("c");
  const s = lab.netns("s");
  lab.wire(c, "v0", ["10.1.0.1/24"], s, "v0", ["10.1.0.2/24"]);
  lab.wire(c, "v1", ["10.2.0.1/24"], s, "v1", ["10.2.0.2/24"]);
  for (const net of [c, s]) {
    for (const device of ["all", "v0", "v1"]) lab.inside(net, "sysctl", "-qw", `net.ipv4.conf.${device}.rp_filter=0`);
    lab.inside(net, "ip", "mptcp", "limits", "set", "subflow", "2", "add_addr_accepted", "2");
  }
  lab.inside(s, "ip", "mptcp", "endpoint", "add", "10.2.0.2", "dev", "v1", "signal");
  const client = await lab.peer(c);
  const server = await lab.peer(s);
  const left = (device: string): number =>
    Number(
      lab
        .inside(c, "cat", `/proc/self/net/dev`)
        .split("\n")
        .find((line) => line.includes(`${device}:`))!
        .trim()
        .split(/[\s:]+/)[9],
    );
  const available = (): string[] => lab.inside(c, "sysctl", "-n", "net.mptcp.available_schedulers").trim().split(/\s+/);

  let port = 7000;
  for (const [name, scheduler] of Object.entries(SCHEDULERS)) {
    port++;
    const object = load(compiled(name, "patched"));
    object.register();
    const listed = available().includes(scheduler);
    lab.inside(c, "sysctl", "-qw", `net.mptcp.scheduler=${scheduler}`);
    await server.call("listen", { protocol: "mptcp", host: "0.0.0.0", port });
    const before = server.accepted.length;
    const id = await client.call<number>("connect", { protocol: "mptcp", host: "10.1.0.2", port });
    lab.inside(c, "sysctl", "-qw", "net.mptcp.scheduler=default");
    await client.call("send", { id, length: 1000 });
    await until("accepted", () => server.accepted.length > before, PATIENCE);
    const subflows = () =>
      openSessions(c)
        .filter(({ to }) => to.endsWith(`:${port}`))
        .flatMap((one) => one.subflows);
    await until("both subflows", () => subflows().length === 2, PATIENCE);
    const [first, second] = [left("v0"), left("v1")];
    await client.call("send", { id, length: SENT });
    const accepted = server.accepted.at(-1)!;
    const { sent } = await client.call<{ sent: string }>("state", { id });
    const arrived = async (): Promise<boolean> =>
      (await server.call<{ hash: string }>("state", { id: accepted })).hash === sent;
    const intact = await until("the data", arrived, PATIENCE).catch(() => false);
    const sentOver = { first: left("v0") - first, second: left("v1") - second };
    await client.call("close", { id });
    object.close();
    report(name, { listed, intact, ...sentOver, gone: !available().includes(scheduler) });
  }
}
