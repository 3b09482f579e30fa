/** Runs the company and says what was on the wire, and what `tsbpf show` says of the programs. On this machine's kernel and on the patched one. */
import { join } from "node:path";
import type { TargetName } from "../../../compiler/bpf/kernels.ts";
import { load, type LoadedObject } from "../../../runtime/api.ts";
import { show } from "../../../runtime/cli/show.ts";
import { mapInfo } from "../../../runtime/kernel/info.ts";
import { compileC } from "../../bench/clang.ts";
import { capture, type Segment } from "../capture.ts";
import { compiled } from "../compiled.ts";
import { listening } from "../listening.ts";
import { until, type Lab, type Peer } from "../lab.ts";
import { repository } from "../repository.ts";
import { CHILDREN, CLIENT, CONTEXT, hasEvents, PARENT, type Member } from "./members.ts";

const PATIENCE = 60_000;
const TURNS = 4;
const SERVER = "10.94.0.2";

export interface Seen {
  /** By the child that the client is in. */
  readonly segments: Readonly<Record<keyof typeof CHILDREN, readonly Segment[]>>;
  /** What `tsbpf show` says of programs, by name, while there is traffic. */
  readonly costs: Readonly<Record<string, { readonly runs: number; readonly nsPerRun: number | null }>>;
}

export async function company(lab: Lab, target: TargetName): Promise<Seen> {
  const [c, s] = [lab.netns("c"), lab.netns("s")];
  lab.wire(c, "v0", ["10.94.0.1/24"], s, "v1", [`${SERVER}/24`]);
  const above = lab.cgroup("company");
  const groups = { first: lab.cgroup("company/first"), second: lab.cgroup("company/second") };
  const clients = { first: await lab.peer(c, groups.first), second: await lab.peer(c, groups.second) };
  const server = await lab.peer(s, groups.first);
  const wire = capture(c);
  lab.defer(() => wire.stop());
  const objects = new Map<string, LoadedObject>();
  lab.defer(() => objects.forEach((one) => one.close()));
  const attach = (where: string, list: readonly Member[]): void => {
    for (const { program, params, patched } of list) {
      const object = load(compiled(program, hasEvents(target) ? patched : target), params ? { params } : {});
      objects.set(program, object);
      object.attach(where);
    }
  };
  attach(above, PARENT);
  for (const child of ["first", "second"] as const) attach(groups[child], CHILDREN[child]);
  const theirs = load(
    compileC(join(repository, "tests/runtime/shared-writing/beside.bpf.c"), "clang-19", "v3", target),
  );
  objects.set("beside", theirs);
  theirs.attach(above);

  const id = (program: string, map: string): number => mapInfo(objects.get(program)!.mapFds.get(map)!).id;
  const storage = {
    first: { map: id("client-address", "clients4"), bytes: CLIENT },
    second: { map: id("trace-context", "outgoing"), bytes: CONTEXT },
  };
  let port = 7300;
  const connection = async (child: keyof typeof CHILDREN): Promise<readonly Segment[]> => {
    const own = ++port;
    const client: Peer = clients[child];
    await server.call("listen", { host: SERVER, port: own, mode: "echo" });
    const socket = await client.call<number>("connect", { host: SERVER, port: own, storage: storage[child] });
    for (let turn = 1; turn <= TURNS; turn++) {
      await client.call("send", { id: socket, length: 100 });
      const received = async (): Promise<boolean> =>
        (await client.call<{ received: number }>("state", { id: socket })).received === 100 * turn;
      await until("the echo", received, PATIENCE);
    }
    await client.call("end", { id: socket });
    const of = (): readonly Segment[] =>
      wire.segments.filter((one) => one.sourcePort === own || one.destinationPort === own);
    await until("both have said FIN", () => of().filter((one) => one.fin).length >= 2, PATIENCE);
    return of();
  };

  const segments = { first: await connection("first"), second: await connection("second") };
  const said = listening();
  try {
    const shown = show(undefined, { pins: "/sys/fs/bpf/tsbpf", json: true, for: 1 });
    await connection("second");
    await connection("first");
    await shown;
  } finally {
    said.end();
  }
  const { programs } = JSON.parse(said.text()) as {
    programs: readonly { id: number; name: string; runs: number; nsPerRun: number | null }[];
  };
  const own = new Set(
    [...objects.values()].flatMap((one) => Object.values(one.programs).map((program) => program.info().id)),
  );
  return {
    segments,
    costs: Object.fromEntries(
      programs.filter((one) => own.has(one.id)).map(({ name, runs, nsPerRun }) => [name, { runs, nsPerRun }]),
    ),
  };
}
