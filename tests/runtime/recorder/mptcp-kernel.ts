/** An MPTCP session in the patched kernel, with the recorder of sessions attached to the client: what it wrote. */
import { load } from "../../../runtime/api.ts";
import { codecFor } from "../../../runtime/kernel/codec.ts";
import { compiled } from "../compiled.ts";
import { openLab, pause, until } from "../lab.ts";
import { sessionRecorderSource } from "./program.ts";
import type { Recorded } from "./session.ts";

const PATIENCE = 60_000;
/** Numbers of the events that are waited for. */
const [ADD_REMOTE, REMOVE_REMOTE, ADD_LOCAL, REMOVE_LOCAL, CLOSE] = [70, 71, 74, 75, 69] as const;
const SUBFLOW_ESTABLISHED = 72;
export const MPTCP = {
  client: "10.1.0.1",
  server: "10.1.0.2",
  port: 8300,
  extra: "10.2.0.2",
  late: "10.3.0.1",
} as const;

export async function recordMptcp(): Promise<Recorded[]> {
  const lab = openLab();
  const found: Recorded[] = [];
  try {
    const c = lab.netns("c");
    const s = lab.netns("s");
    lab.wire(c, "v0", [`${MPTCP.client}/24`], s, "v0", [`${MPTCP.server}/24`]);
    lab.wire(c, "v1", ["10.2.0.1/24"], s, "v1", [`${MPTCP.extra}/24`]);
    for (const net of [c, s]) {
      lab.inside(net, "ip", "mptcp", "limits", "set", "subflow", "8", "add_addr_accepted", net === c ? "0" : "8");
      lab.inside(net, "sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0");
    }
    const group = lab.cgroup("client");
    const client = await lab.peer(c, group);
    const server = await lab.peer(s);
    const object = load(compiled("session recorder", "patched", sessionRecorderSource()));
    lab.defer(() => object.close());
    object.attach(group);
    const ring = object.rings["records"]!;
    const codec = codecFor(ring.layout!);
    const reader = ring.reader();
    /** Waits for an event; what comes is kept either way. */
    const event = (op: number, times = 1): Promise<unknown> =>
      until(
        `event ${op}`,
        () => {
          reader.drain((view, offset) => void found.push(codec.read(view, offset) as unknown as Recorded));
          return found.filter((one) => one.op === op).length >= times;
        },
        PATIENCE,
      );
    await server.call("listen", { protocol: "mptcp", host: "0.0.0.0", port: MPTCP.port });
    const id = await client.call<number>("connect", { protocol: "mptcp", host: MPTCP.server, port: MPTCP.port });
    await client.call("send", { id, length: 100 });
    await event(SUBFLOW_ESTABLISHED, 2);
    lab.inside(s, "ip", "mptcp", "endpoint", "add", MPTCP.extra, "dev", "v1", "signal");
    await event(ADD_REMOTE);
    lab.inside(s, "ip", "mptcp", "endpoint", "flush");
    await event(REMOVE_REMOTE);
    lab.ip(c, "addr", "add", `${MPTCP.late}/24`, "dev", "v1");
    await event(ADD_LOCAL);
    lab.ip(c, "addr", "del", `${MPTCP.late}/24`, "dev", "v1");
    await event(REMOVE_LOCAL);
    await client.call("end", { id });
    await event(CLOSE);
    await pause(500);
    await event(CLOSE);
    reader.close();
  } finally {
    lab.close();
  }
  return found;
}
