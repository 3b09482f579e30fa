/**
 * How packet schedulers of ours share two unequal links on the patched kernel, as one program that runs inside the virtual machine. It prints one JSON object
 * for each: bytes that left over each link, and how long all took.
 *
 *   scheduler-shape FOLDER
 */
import { join } from "node:path";
import { load, probe } from "../../../runtime/api.ts";
import { openSessions } from "../../../runtime/mptcp/sock-diag.ts";
import { openLab, pause, until, type Lab } from "../../runtime/lab.ts";
import { SCHEDULERS, SHAPE, type ShapeFinding } from "./scheduler-table.ts";

const PATIENCE = 120_000;
const tell = (finding: ShapeFinding): void => console.log(JSON.stringify(finding));

async function shapes(lab: Lab, folder: string): Promise<void> {
  const [c, s] = [lab.netns("c"), lab.netns("s")];
  for (const [index, { rateMbit, delayMs, queue }] of SHAPE.links.entries()) {
    const device = `v${index}`;
    lab.wire(c, device, [`10.${index + 1}.0.1/24`], s, device, [`10.${index + 1}.0.2/24`]);
    const shape = (net: string, ...how: string[]): void =>
      void lab.inside(net, "tc", "qdisc", "add", "dev", device, "root", "netem", ...how);
    // Packet by packet, as the model sends; all delay is on the way back, where nothing waits.
    lab.inside(c, "ip", "link", "set", device, "gso_max_segs", "1");
    shape(c, "rate", `${rateMbit}mbit`, "limit", `${queue + 1}`);
    shape(s, "delay", `${delayMs}ms`, "limit", "10000");
  }
  for (const net of [c, s]) {
    for (const device of ["all", "v0", "v1"]) lab.inside(net, "sysctl", "-qw", `net.ipv4.conf.${device}.rp_filter=0`);
    lab.inside(net, "sysctl", "-qw", "net.ipv4.tcp_congestion_control=reno", "net.ipv4.tcp_no_metrics_save=1");
    // The model's peer takes as much from the beginning.
    lab.inside(net, "sysctl", "-qw", "net.ipv4.tcp_rmem=4096 6291456 6291456");
    lab.inside(net, "ip", "mptcp", "limits", "set", "subflow", "2", "add_addr_accepted", "2");
  }
  lab.inside(s, "ip", "mptcp", "endpoint", "add", "10.2.0.2", "dev", "v1", "signal");
  const [client, server] = [await lab.peer(c), await lab.peer(s)];
  const left = (): readonly number[] => {
    const lines = lab.inside(c, "cat", "/proc/self/net/dev").split("\n");
    return SHAPE.links.map((_, index) =>
      Number(
        lines
          .find((one) => one.includes(`v${index}:`))!
          .trim()
          .split(/[\s:]+/)[9],
      ),
    );
  };

  let port = 7000;
  for (const [name, scheduler] of Object.entries(SCHEDULERS)) {
    port++;
    const object = load(join(folder, `${name}.o`));
    object.register();
    lab.inside(c, "sysctl", "-qw", `net.mptcp.scheduler=${scheduler}`);
    await server.call("listen", { protocol: "mptcp", host: "0.0.0.0", port });
    const before = server.accepted.length;
    const id = await client.call<number>("connect", { protocol: "mptcp", host: "10.1.0.2", port });
    lab.inside(c, "sysctl", "-qw", "net.mptcp.scheduler=default");
    await client.call("send", { id, length: SHAPE.first });
    await until("accepted", () => server.accepted.length > before, PATIENCE);
    const accepted = server.accepted.at(-1)!;
    const subflows = () =>
      openSessions(c)
        .filter(({ to }) => to.endsWith(`:${port}`))
        .flatMap((one) => one.subflows);
    await until("both subflows", () => subflows().length === 2, PATIENCE);
    await pause(1000);
    const [start, begin] = [left(), Date.now()];
    const sending = client.call("send", { id, length: SHAPE.bytes });
    const all = SHAPE.first + SHAPE.bytes;
    await until(
      "the data",
      async () => (await server.call<{ received: number }>("state", { id: accepted })).received === all,
      PATIENCE,
    );
    const seconds = (Date.now() - begin) / 1000;
    await sending;
    tell({ name, bytes: left().map((bytes, index) => bytes - start[index]!), seconds });
    await client.call("close", { id });
    object.close();
    await pause(500);
  }
}

const lab = openLab();
try {
  if (probe("mptcp-schedulers").ok) await shapes(lab, process.argv[2]!);
  else tell({ name: "lacking", bytes: [], seconds: 0 });
} catch (error) {
  console.log((error as Error).stack);
  process.exitCode = 1;
} finally {
  lab.close();
}
process.exit();
