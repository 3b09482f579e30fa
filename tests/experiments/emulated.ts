/** Client and server on two sides of a Linux bridge that limits the rate and delays: what Figures 5 and 6 are measured on. */
import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { until, type Lab } from "../runtime/lab.ts";

export interface Emulation {
  readonly mbit: number;
  /** Milliseconds, each way. */
  readonly delayMs: number;
  /** Packets that wait for the bottleneck towards the client. */
  readonly packets: number;
}
export interface Emulated {
  readonly client: string;
  readonly server: string;
  readonly host: string;
  /** Cgroups, in the order of `client`, `server`. */
  readonly groups: readonly [string, string];
  /** A shell's words that run a command on one side. */
  on(side: "client" | "server", command: string): string;
  /** Waits until nothing of what went before is on its way: what waits in the queue would be in the way of what comes next. */
  drained(): Promise<void>;
}

let rigs = 0;
/** Packets that a queue holds which is not to overflow. */
const ENOUGH = 20_000;
const HOST = "10.97.0.2";

/** Namespaces, bridge and queueing disciplines. Segments leave one by one, as they do from a network card. */
export function emulate(lab: Lab, { mbit, delayMs, packets }: Emulation): Emulated {
  const number = rigs++;
  const [client, bridge, server] = ["c", "b", "s"].map((name) => lab.netns(`${name}${number}`)) as [
    string,
    string,
    string,
  ];
  lab.wire(client, "v0", ["10.97.0.1/24"], bridge, "toclient", []);
  lab.wire(server, "v0", [`${HOST}/24`], bridge, "toserver", []);
  lab.ip(bridge, "link", "add", "br0", "type", "bridge");
  lab.ip(bridge, "link", "set", "br0", "up");
  const tc = (device: string, ...words: string[]): void =>
    void lab.inside(bridge, "tc", "qdisc", "add", "dev", device, ...words);
  for (const [device, limit] of [
    ["toclient", packets],
    ["toserver", ENOUGH],
  ] as const) {
    lab.ip(bridge, "link", "set", device, "master", "br0");
    tc(device, "root", "handle", "1:", "htb", "default", "1");
    const rate = ["rate", `${mbit}mbit`, "burst", "3000", "cburst", "3000"];
    lab.inside(bridge, "tc", "class", "add", "dev", device, "parent", "1:", "classid", "1:1", "htb", ...rate);
    tc(device, "parent", "1:1", "handle", "10:", "pfifo", "limit", String(limit));
  }
  for (const net of [client, server]) {
    lab.ip(net, "link", "set", "v0", "gso_max_segs", "1");
    // Behind the bottleneck, or before it: what is on its way takes no room in the queue.
    const delay = ["netem", "delay", `${delayMs}ms`, "limit", String(ENOUGH)];
    lab.inside(net, "tc", "qdisc", "add", "dev", "v0", "root", ...delay);
  }
  const groups = [lab.cgroup(`client${number}`), lab.cgroup(`server${number}`)] as const;
  return {
    client,
    server,
    host: HOST,
    groups,
    on: (side, command) =>
      `echo $$ > ${groups[side === "client" ? 0 : 1]}/cgroup.procs; exec nsenter --net=/run/netns/${side === "client" ? client : server} ${command}`,
    drained: () =>
      until(
        "the queues are empty",
        () =>
          [bridge, client, server].every((net) =>
            [...lab.inside(net, "tc", "-s", "qdisc", "show").matchAll(/backlog \S+ (\d+)p/g)].every(
              ([, waiting]) => waiting === "0",
            ),
          ),
        60_000,
      ).then(() => undefined),
  };
}

/** nginx on the server's side, with what `fill` writes into its root. */
export async function serve(lab: Lab, rig: Emulated, folder: string, fill: (root: string) => void): Promise<void> {
  const root = join(folder, "www");
  mkdirSync(root, { recursive: true });
  fill(root);
  const places = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (one) => `${one}_temp_path ${folder}/${one};`,
  );
  const text = `daemon off; user root; worker_processes 1; pid ${folder}/nginx.pid; error_log ${folder}/nginx.log;
events { worker_connections 512; }
http { access_log off; sendfile on; tcp_nopush on; keepalive_requests 10000; ${places.join(" ")} server { listen ${rig.host}:80; root ${root}; } }
`;
  const file = join(folder, "nginx.conf");
  writeFileSync(file, text);
  const child = spawn("sh", ["-c", rig.on("server", `nginx -c ${file} -e ${folder}/nginx.log`)], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  lab.defer(() => void child.kill("SIGTERM"));
  await until(
    "nginx listens",
    () => lab.inside(rig.server, "ss", "-tlnH", "sport", "=", ":80").includes(`${rig.host}:80`),
    60_000,
  );
}
