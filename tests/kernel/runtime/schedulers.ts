/**
 * Packet schedulers in the patched kernel, as one program that runs inside the virtual machine: each object of the folder is registered, chosen by a
 * session with two subflows, and seen at work on the two links. It prints one JSON object for each.
 *
 *   schedulers FOLDER
 */
import { join } from "node:path";
import { load, probe } from "../../../runtime/api.ts";
import { openSessions } from "../../../runtime/mptcp/sock-diag.ts";
import { openLab, until, type Lab } from "../../runtime/lab.ts";
import { SCHEDULERS, SENT, type SchedulerFinding } from "./scheduler-table.ts";

const PATIENCE = 120_000;

async function schedulers(lab: Lab, folder: string): Promise<void> {
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
  const sysctl = (...text: string[]): string => lab.inside(c, "sysctl", ...text).trim();
  /** Bytes that left over a device so far. */
  const left = (device: string): number => {
    const line = lab
      .inside(c, "cat", "/proc/self/net/dev")
      .split("\n")
      .find((one) => one.includes(`${device}:`));
    return Number(line!.trim().split(/[\s:]+/)[9]);
  };
  const available = (): string[] => sysctl("-n", "net.mptcp.available_schedulers").split(/\s+/);

  let port = 7000;
  for (const [name, scheduler] of Object.entries(SCHEDULERS)) {
    port++;
    const object = load(join(folder, `${name}.o`));
    object.register();
    const listed = available().includes(scheduler);
    sysctl("-qw", `net.mptcp.scheduler=${scheduler}`);
    await server.call("listen", { protocol: "mptcp", host: "0.0.0.0", port });
    const before = server.accepted.length;
    const id = await client.call<number>("connect", { protocol: "mptcp", host: "10.1.0.2", port });
    sysctl("-qw", "net.mptcp.scheduler=default");
    await client.call("send", { id, length: 1000 });
    await until("accepted", () => server.accepted.length > before, PATIENCE);
    const subflows = () =>
      openSessions(c)
        .filter(({ to }) => to.endsWith(`:${port}`))
        .flatMap((one) => one.subflows);
    await until("both subflows", () => subflows().length === 2, PATIENCE);
    const start = { first: left("v0"), second: left("v1") };
    await client.call("send", { id, length: SENT });
    const { sent } = await client.call<{ sent: string }>("state", { id });
    const accepted = server.accepted.at(-1)!;
    const arrived = async (): Promise<boolean> =>
      (await server.call<{ hash: string }>("state", { id: accepted })).hash === sent;
    const intact = await until("the data", arrived, PATIENCE).catch(() => false);
    const [first, second] = [left("v0") - start.first, left("v1") - start.second];
    await client.call("close", { id });
    object.close();
    const gone = !available().includes(scheduler);
    console.log(JSON.stringify({ name, listed, intact, first, second, gone } satisfies SchedulerFinding));
  }
}

const lab = openLab();
try {
  if (probe("mptcp-schedulers").ok) await schedulers(lab, process.argv[2]!);
  else console.log(JSON.stringify({ name: "lacking" }));
} catch (error) {
  console.log(JSON.stringify({ name: "error", message: (error as Error).message, stack: (error as Error).stack }));
  process.exitCode = 1;
} finally {
  lab.close();
}
process.exit();
