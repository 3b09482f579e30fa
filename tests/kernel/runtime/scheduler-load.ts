/**
 * Packet schedulers of ours in the patched kernel where it is not quiet, as one program that runs inside the virtual machine: a path dies under each, one
 * comes and goes while sessions use it, and many sessions have one at once. It prints one JSON object for each finding.
 *
 *   scheduler-load FOLDER SESSIONS
 */
import { join } from "node:path";
import { load, probe, type LoadedObject } from "../../../runtime/api.ts";
import { openSessions } from "../../../runtime/mptcp/sock-diag.ts";
import { openLab, until, type Lab, type Peer } from "../../runtime/lab.ts";
import { MOVED, SCHEDULERS, type LoadFinding } from "./scheduler-table.ts";

const PATIENCE = 120_000;
/** Of a path that is about to die, so that something is under way on it. */
const BEFORE = 200_000;
const ROUNDS = 6;
const AT_ONCE = 4;
const CHUNK = 30_000;

const tell = (finding: LoadFinding): void => console.log(JSON.stringify(finding));

interface Ends {
  readonly c: string;
  readonly client: Peer;
  readonly server: Peer;
  readonly choose: (scheduler: string) => void;
}
async function ends(lab: Lab): Promise<Ends> {
  const [c, s] = [lab.netns("c"), lab.netns("s")];
  lab.wire(c, "v0", ["10.1.0.1/24"], s, "v0", ["10.1.0.2/24"]);
  lab.wire(c, "v1", ["10.2.0.1/24"], s, "v1", ["10.2.0.2/24"]);
  for (const net of [c, s]) {
    for (const device of ["all", "v0", "v1"]) lab.inside(net, "sysctl", "-qw", `net.ipv4.conf.${device}.rp_filter=0`);
    lab.inside(net, "sysctl", "-qw", "net.core.somaxconn=4096", "net.ipv4.tcp_max_syn_backlog=4096");
    lab.inside(net, "ip", "mptcp", "limits", "set", "subflow", "2", "add_addr_accepted", "2");
  }
  lab.inside(s, "ip", "mptcp", "endpoint", "add", "10.2.0.2", "dev", "v1", "signal");
  return {
    c,
    client: await lab.peer(c),
    server: await lab.peer(s),
    choose: (scheduler) => void lab.inside(c, "sysctl", "-qw", `net.mptcp.scheduler=${scheduler}`),
  };
}

/** What the program has counted. */
function counted(object: LoadedObject, of: "inits" | "releases" | "picks"): number {
  const counts = object.maps["counts"]!.get(0) as unknown as Readonly<Record<typeof of, bigint>>;
  return Number(counts[of]);
}

let port = 7000;
async function open({ client, server }: Ends): Promise<{ readonly id: number; readonly accepted: number }> {
  port++;
  await server.call("listen", { protocol: "mptcp", host: "0.0.0.0", port });
  const before = server.accepted.length;
  const id = await client.call<number>("connect", { protocol: "mptcp", host: "10.1.0.2", port });
  await client.call("send", { id, length: 1000 });
  await until("accepted", () => server.accepted.length > before, PATIENCE);
  return { id, accepted: server.accepted.at(-1)! };
}
/** Whether what was sent arrives as it was. */
async function arrives({ client, server }: Ends, id: number, accepted: number): Promise<boolean> {
  const { sent } = await client.call<{ sent: string }>("state", { id });
  return until(
    "the data",
    async () => (await server.call<{ hash: string }>("state", { id: accepted })).hash === sent,
    PATIENCE,
  ).catch(() => false);
}

async function failover(lab: Lab, both: Ends, folder: string): Promise<void> {
  for (const [name, scheduler] of Object.entries(SCHEDULERS)) {
    const object = load(join(folder, `${name}.o`));
    object.register();
    both.choose(scheduler);
    const { id, accepted } = await open(both);
    both.choose("default");
    const subflows = () =>
      openSessions(both.c)
        .filter(({ to }) => to.endsWith(`:${port}`))
        .flatMap((one) => one.subflows);
    await until("both subflows", () => subflows().length === 2, PATIENCE);
    const begin = Date.now();
    await both.client.call("send", { id, length: BEFORE });
    // The path that the session began on takes nothing any more, in either direction, and nobody says so.
    for (const net of ["c", "s"])
      lab.inside(`${lab.prefix}-${net}`, "tc", "qdisc", "add", "dev", "v0", "root", "netem", "loss", "100%");
    const sending = both.client.call("send", { id, length: MOVED });
    const moved = await Promise.race([
      sending.then(() => arrives(both, id, accepted)),
      new Promise<false>((resolve) => setTimeout(() => resolve(false), 2 * PATIENCE)),
    ]);
    for (const net of ["c", "s"]) lab.inside(`${lab.prefix}-${net}`, "tc", "qdisc", "del", "dev", "v0", "root");
    tell({ what: "failover", name, moved, seconds: Math.round((Date.now() - begin) / 1000) });
    await both.client.call("close", { id });
    object.close();
  }
}

/** Sessions that send all the time, while the scheduler that new ones get is taken away and comes again. */
async function churn(lab: Lab, both: Ends, folder: string): Promise<void> {
  const sessions: { readonly id: number; readonly accepted: number }[] = [];
  let inits = 0;
  let releases = 0;
  const objects: LoadedObject[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const object = load(join(folder, "counted.o"));
    objects.push(object);
    const link = object.register().get("counted")!;
    both.choose("ts_counted");
    for (let each = 0; each < AT_ONCE; each++) sessions.push(await open(both));
    // All of them send, those of earlier rounds, whose scheduler is gone, too.
    const sending = sessions.map(({ id }) => both.client.call("send", { id, length: CHUNK }));
    link.detach();
    link.close();
    both.choose("default");
    await Promise.all(sending);
  }
  let intact = 0;
  for (const { id, accepted } of sessions) if (await arrives(both, id, accepted)) intact++;
  const available = lab.inside(both.c, "sysctl", "-n", "net.mptcp.available_schedulers").trim().split(/\s+/);
  const count = (of: "inits" | "releases"): number => objects.reduce((all, object) => all + counted(object, of), 0);
  for (const { id } of sessions) await both.client.call("close", { id });
  inits = count("inits");
  await until("sessions are over", () => (releases = count("releases")) === inits, PATIENCE).catch(() => false);
  for (const object of objects) object.close();
  tell({ what: "churn", sessions: sessions.length, intact, inits, releases, gone: !available.includes("ts_counted") });
}

async function many(both: Ends, folder: string, wanted: number): Promise<void> {
  const object = load(join(folder, "counted.o"));
  object.register();
  both.choose("ts_counted");
  port++;
  await both.server.call("listen", { protocol: "mptcp", host: "0.0.0.0", port, mode: "echo" });
  const begin = Date.now();
  const seconds = (): number => Math.round((Date.now() - begin) / 1000);
  const before = both.server.accepted.length;
  const count = (of: "inits" | "releases" | "picks"): number => counted(object, of);
  let opened = 0;
  while (opened < wanted && seconds() < 420)
    opened = await both.client.call<number>("burst", {
      protocol: "mptcp",
      host: "10.1.0.2",
      port,
      count: Math.min(250, wanted - opened),
    });
  await until("all are accepted", () => both.server.accepted.length - before === opened, PATIENCE).catch(() => false);
  both.choose("default");
  const [inits, picks] = [count("inits"), count("picks")];
  const accepted = both.server.accepted.length - before;
  const took = seconds();
  await both.client.call("letGo");
  await until("they are over", () => count("releases") === inits, 3 * PATIENCE).catch(() => false);
  tell({ what: "many", opened, accepted, inits, picks, releases: count("releases"), seconds: took });
  object.close();
}

const lab = openLab();
const [, , folder = "", sessions = "1000"] = process.argv;
try {
  if (probe("mptcp-schedulers").ok) {
    const both = await ends(lab);
    await churn(lab, both, folder);
    await many(both, folder, Number(sessions));
    await failover(lab, both, folder);
  } else tell({ what: "lacking" });
} catch (error) {
  tell({ what: "error", message: (error as Error).stack ?? String(error) });
  process.exitCode = 1;
} finally {
  lab.close();
}
process.exit();
