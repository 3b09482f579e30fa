/** The life of an option on the patched kernel, from a capture there: what each segment says that the program was told of it. */
import { load } from "../../../runtime/api.ts";
import { capture, type Segment } from "../../runtime/capture.ts";
import { compiled } from "../../runtime/compiled.ts";
import { flagsOf, lifeSource, toldOf } from "../../runtime/option-life-program.ts";
import { pause, until, type Lab } from "../../runtime/lab.ts";

const PATIENCE = 60_000;
/** One segment, and what it says; null: it had no option. */
const tellOf = (segment: Segment, port: number): Record<string, unknown> => ({
  from: segment.destinationPort === port ? "client" : "server",
  flags: flagsOf(segment),
  payload: segment.payload,
  told: toldOf(segment) ?? null,
});

export async function life(
  lab: Lab,
  report: (name: string, facts: Record<string, unknown>) => void,
  on: "cgroup" | "netns",
): Promise<void> {
  const nets = { client: lab.netns("c"), server: lab.netns("s") };
  lab.wire(nets.client, "v0", ["10.95.0.1/24"], nets.server, "v1", ["10.95.0.2/24"]);
  const groups = { client: lab.cgroup("client"), server: lab.cgroup("server") };
  const client = await lab.peer(nets.client, groups.client);
  const server = await lab.peer(nets.server, groups.server);
  const wire = capture(nets.client);
  lab.defer(() => wire.stop());
  let port = 6400;
  const of = (number: number): readonly Segment[] =>
    wire.segments.filter(({ sourcePort, destinationPort }) => sourcePort === number || destinationPort === number);

  /** A connection with an echo of four bytes, then `steps`; both ends run the program. */
  const during = async (name: string, steps: (id: number, port: number) => Promise<void>): Promise<void> => {
    const sides = {
      client: load(compiled("life", "patched", lifeSource(false))),
      server: load(compiled("life", "patched", lifeSource(false))),
    };
    try {
      for (const side of ["client", "server"] as const)
        sides[side].attach(on === "cgroup" ? groups[side] : { netns: nets[side] });
      await server.call("listen", { host: "10.95.0.2", port: ++port, mode: "echo" });
      const id = await client.call<number>("connect", { host: "10.95.0.2", port });
      await client.call("send", { id, length: 4 });
      const received = async (): Promise<boolean> =>
        (await client.call<{ received: number }>("state", { id })).received >= 4;
      await until("the echo", received, PATIENCE);
      await steps(id, port);
      await pause(500);
      const arrived = Object.fromEntries(
        (["client", "server"] as const).map((side) => [
          side,
          sides[side].maps["seen"]!.batch().flatMap(([flags, one]) =>
            (one as unknown as { count: number }).count > 0 ? [{ flags, ...(one as unknown as object) }] : [],
          ),
        ]),
      );
      const afterwards = sides.server.maps["afterwards"]!.get(0);
      report(name, { segments: of(port).map((one) => tellOf(one, port)), arrived, afterwards });
    } finally {
      for (const one of Object.values(sides)) one.close();
    }
  };

  await during("whole", async (id, to) => {
    await client.call("end", { id });
    await until("both have said FIN", () => of(to).filter((one) => one.fin).length >= 2, PATIENCE);
  });
  await during("reset", async (id, to) => {
    await client.call("reset", { id });
    await until("a reset", () => of(to).find((one) => one.rst), PATIENCE);
  });
  lab.inside(nets.server, "sysctl", "-qw", "net.ipv4.tcp_syncookies=2");
  await during("cookie", () => Promise.resolve());
  lab.inside(nets.server, "sysctl", "-qw", "net.ipv4.tcp_syncookies=1");
  await during("nobody", async (_, to) => {
    // No one listens there: the answer is of no connection.
    await client.call("connect", { host: "10.95.0.2", port: to + 100 }).catch(() => undefined);
    const answer = await until("a refusal", () => of(to + 100).find((one) => one.rst), PATIENCE);
    report("refusal", tellOf(answer, to + 100));
  });
  await during("again", async (id) => {
    lab.ip(nets.server, "address", "del", "10.95.0.2/24", "dev", "v1");
    await client.call("send", { id, length: 7 });
    await pause(1000);
    lab.ip(nets.server, "address", "add", "10.95.0.2/24", "dev", "v1");
    const received = async (): Promise<boolean> =>
      (await client.call<{ received: number }>("state", { id })).received === 11;
    await until("the echo", received, PATIENCE);
  });
}
