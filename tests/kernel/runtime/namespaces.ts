/** The command on network namespaces of the patched kernel: a path manager for each, listed, replaced, taken away. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { load as loadObject, RuntimeError } from "../../../runtime/api.ts";
import { detach } from "../../../runtime/cli/detach.ts";
import { list } from "../../../runtime/cli/list.ts";
import { load } from "../../../runtime/cli/load.ts";
import { run } from "../../../runtime/cli/run.ts";
import { allLinks } from "../../../runtime/kernel/info.ts";
import { openSessions } from "../../../runtime/mptcp/sock-diag.ts";
import { compiled } from "../../runtime/compiled.ts";
import { until, type Lab } from "../../runtime/lab.ts";
import { repository } from "../../runtime/repository.ts";

const PATIENCE = 60_000;
const pins = "/sys/fs/bpf/tsbpf";
const program = (name: string): string => join(repository, `programs/${name}.ts`);

export async function namespaces(
  lab: Lab,
  report: (name: string, facts: Record<string, unknown>) => void,
  listening: () => { readonly text: () => string; readonly end: () => void },
): Promise<void> {
  const [a, b, s] = ["a", "b", "s"].map((name) => lab.netns(name)) as [string, string, string];
  lab.wire(a, "v0", ["10.61.0.1/24"], s, "v1", ["10.61.0.2/24"]);
  lab.wire(b, "v0", ["10.62.0.1/24"], s, "v2", ["10.62.0.2/24"]);
  lab.inside(s, "ip", "mptcp", "limits", "set", "subflow", "8");
  const short = (text: string): string => text.replaceAll(a, "A").replaceAll(b, "B").replaceAll(lab.prefix, "LAB");
  /** A command's exit code, or the key and the words of what it throws; and what it prints. */
  const did = async (command: () => Promise<number>): Promise<Record<string, unknown>> => {
    const listener = listening();
    try {
      const code = await command();
      return { code, said: short(listener.text()) };
    } catch (error) {
      if (!(error instanceof RuntimeError)) throw error;
      return {
        key: error.key,
        message: short(error.message),
        help: short(error.help ?? ""),
        said: short(listener.text()),
      };
    } finally {
      listener.end();
    }
  };

  // One cgroup for both: it is the namespace that decides.
  const group = lab.cgroup("all");
  const server = await lab.peer(s, group);
  const clients = { a: await lab.peer(a, group), b: await lab.peer(b, group) };
  let port = 6100;
  /** A session of a namespace, and its subflows once there are as many as wanted. */
  const session = async (name: string, side: "a" | "b", wanted: number): Promise<void> => {
    const host = side === "a" ? "10.61.0.2" : "10.62.0.2";
    await server.call("listen", { protocol: "mptcp", host: "0.0.0.0", port: ++port, mode: "echo" });
    const id = await clients[side].call<number>("connect", { protocol: "mptcp", host, port });
    await clients[side].call("send", { id, length: 1000 });
    const count = (): number =>
      openSessions(side === "a" ? a : b).find(({ to }) => to.endsWith(`:${port}`))?.subflows.length ?? 0;
    await until("the subflows", () => count() === wanted, PATIENCE).catch(() => undefined);
    report(name, { subflows: count() });
    await clients[side].call("close", { id });
  };
  const linksOf = (): number[] =>
    [...allLinks()].filter(({ netnsInode }) => netnsInode !== undefined).map(({ id }) => id);

  // Two path managers, one of them for as long as the command runs.
  report(
    "load",
    await did(() =>
      load(program("ndiffports"), { netns: b, name: "two", param: ["extraSubflows=1"], pins, json: true }),
    ),
  );
  const listener = listening();
  const running = run(program("ndiffports"), { netns: a, param: ["extraSubflows=3"], pins, json: true });
  try {
    await until("attached", () => listener.text().includes('"attached"'), PATIENCE);
    listener.end();
    await session("session of A", "a", 4);
    await session("session of B", "b", 2);
    report("list", await did(() => list({ pins })));
    report("list as JSON", await did(() => list({ pins, json: true })));
    const before = linksOf();
    report(
      "replace",
      await did(() => load(program("ndiffports"), { name: "two", replace: true, param: ["extraSubflows=4"], pins })),
    );
    report("links", { same: String(linksOf()) === String(before), count: before.length });
    await session("session after replace", "b", 5);
    report("move", await did(() => load(program("ndiffports"), { name: "two", netns: a, replace: true, pins })));
    report("detach", await did(() => detach(["two"], { pins, json: true })));
    await session("session after detach", "b", 1);
  } finally {
    listener.end();
    process.emit("SIGINT", "SIGINT");
    report("run", await did(() => running));
  }
  report("left", { links: linksOf().length });

  // Several in one namespace, and through the runtime's own interface.
  const object = loadObject(compiled("ndiffports", "patched"), { params: { extraSubflows: 2 } });
  object.attach({ netns: a });
  report("beside another", await did(() => load(program("user-timeout"), { netns: a, pins, target: "patched" })));
  await session("session beside an option", "a", 3);
  object.close();
  report("detach all", await did(() => detach([], { all: true, pins })));

  // What cannot be.
  report("absent", await did(() => run(program("ndiffports"), { netns: `${lab.prefix}-none`, pins })));
  writeFileSync("/tmp/no-namespace", "");
  report("no namespace", await did(() => load(program("ndiffports"), { netns: "/tmp/no-namespace", pins })));
  report("a hook", await did(() => load(program("service-address"), { netns: a, pins })));

  // It goes, and so does the run.
  const gone = lab.netns("gone");
  const ending = listening();
  const last = run(program("user-timeout"), { netns: gone, target: "patched", pins, json: true });
  await until("attached", () => ending.text().includes('"attached"'), PATIENCE);
  ending.end();
  lab.inside(s, "ip", "netns", "del", gone);
  report("gone", await did(() => last));
  report("left at last", { links: linksOf().length });
}
