/**
 * Options of several programs on one connection, on the wire: of one object, of two objects in one cgroup, in parent and child
 * cgroups, and beside a program of clang's. Runs on this machine's kernel and in the patched one; a test judges the findings.
 */
import { join } from "node:path";
import type { TargetName } from "../../../compiler/bpf/kernels.ts";
import { load, type LoadedObject } from "../../../runtime/api.ts";
import { compileC } from "../../bench/clang.ts";
import { capture } from "../capture.ts";
import { compiled } from "../compiled.ts";
import { openLab, pause, until } from "../lab.ts";
import { repository } from "../repository.ts";

/** What went over the wire from the client, or from the server: kinds of options of each data segment. */
export interface Wire {
  readonly client: readonly (readonly number[])[];
  readonly server: readonly (readonly number[])[];
  /** Times that programs were asked for a length while the last three segments were sent. */
  readonly askedAtEnd: number;
}
export const SEGMENTS = 8;
const KINDS = [100, 101, 102, 210];

const option = (name: string, kind: number, stop: string): string => `
export const ${name} = tcpOption({
  kind: ${kind},
  payload: Mark,
  established(conn, side) {
    if (side === "client") conn.startWriting();
  },
  write(conn, option) {
    option.seen = htonl(conn.dataSegsOut);
    ${stop}
  },
});`;
const file = (...options: string[]): string => `
import { be32, htonl, license, struct } from "tsbpf";
import { tcpOption } from "tsbpf/tcp";
license("GPL");
class Mark extends struct({ seen: be32 }) {}
${options.join("\n")}
`;
const ALWAYS = option("always", 100, "");
/** On the third segment of the handshake, on the first data, and on the acknowledgement of its echo. */
const ONCE = option("once", 101, "if (conn.dataSegsOut > 0) conn.stopWriting();");
const LATER = option("later", 102, "if (conn.dataSegsOut > 2) conn.stopWriting();");

/** Who is attached where, in this order. */
export type Who = "always" | "once" | "later" | "always+once" | "clang" | "clang-stops";
export interface Setting {
  readonly name: string;
  /** Attached to the cgroup above the one that the client and the server are in. */
  readonly parent?: readonly Who[];
  readonly child: readonly Who[];
}
export const SETTINGS: readonly Setting[] = [
  { name: "one object", child: ["always+once"] },
  { name: "alone", child: ["once"] },
  { name: "two objects, the one that stops first", child: ["once", "always"] },
  { name: "two objects, the one that stops last", child: ["always", "once"] },
  { name: "two objects that stop", child: ["once", "later"] },
  { name: "two objects that stop, the later first", child: ["later", "once"] },
  { name: "above the one that stops", parent: ["always"], child: ["once"] },
  { name: "below the one that stops", parent: ["once"], child: ["always"] },
  { name: "clang's before", child: ["clang", "once"] },
  { name: "clang's after", child: ["once", "clang"] },
  { name: "clang's above", parent: ["clang"], child: ["once"] },
  { name: "clang's below", parent: ["once"], child: ["clang"] },
  { name: "clang's before, which stops", child: ["clang-stops", "always"] },
  { name: "clang's below, which stops", parent: ["always"], child: ["clang-stops"] },
  { name: "three objects and clang's", parent: ["once"], child: ["always", "later", "clang"] },
];

const OURS = { always: [ALWAYS], once: [ONCE], later: [LATER], "always+once": [ALWAYS, ONCE] } as const;
/** The source of one of our programs; undefined for clang's. */
export const sourceOf = (who: Who): string | undefined =>
  who === "clang" || who === "clang-stops" ? undefined : file(...OURS[who]);

export async function sharedWriting(
  target: TargetName,
  report: (name: string, wire: Wire) => void,
  wanted: (name: string) => boolean = () => true,
): Promise<void> {
  const lab = openLab();
  try {
    const c = lab.netns("c");
    const s = lab.netns("s");
    lab.wire(c, "v0", ["10.99.0.1/24"], s, "v1", ["10.99.0.2/24"]);
    const above = lab.cgroup("shared");
    const group = lab.cgroup("shared/child");
    const client = await lab.peer(c, group);
    const server = await lab.peer(s, group);
    const wire = capture(c);
    lab.defer(() => wire.stop());
    const c16 = (name: string): Uint8Array =>
      compileC(join(repository, `tests/runtime/shared-writing/${name}.bpf.c`), "clang-19", "v3", target);
    const theirs = c16("beside");
    const counter = load(c16("asked"));
    lab.defer(() => counter.close());
    counter.attach(group);
    const asked = (): number => Number(counter.globals["asked"]!.get());
    const open = (who: Who): LoadedObject => {
      const text = sourceOf(who);
      return text === undefined
        ? load(theirs, { params: { stops: who === "clang" ? 0 : 1 } })
        : load(compiled(`shared ${who}`, target, text));
    };
    let port = 8100;
    for (const setting of SETTINGS.filter((one) => wanted(one.name))) {
      const objects: LoadedObject[] = [];
      try {
        for (const [where, list] of [
          [above, setting.parent ?? []],
          [group, setting.child],
        ] as const)
          for (const who of list) {
            const object = open(who);
            objects.push(object);
            object.attach(where);
          }
        port++;
        await server.call("listen", { host: "10.99.0.2", port, mode: "echo" });
        const id = await client.call<number>("connect", { host: "10.99.0.2", port });
        let before = 0;
        for (let turn = 1; turn <= SEGMENTS; turn++) {
          if (turn === SEGMENTS - 2) before = asked();
          await client.call("send", { id, length: 10 });
          await until(
            "the echo",
            async () => (await client.call<{ received: number }>("state", { id })).received === 10 * turn,
            20_000,
          );
          await pause(20);
        }
        const askedAtEnd = asked() - before;
        await pause(50);
        const kinds = (from: "sourcePort" | "destinationPort"): number[][] =>
          wire.segments
            .filter((one) => one[from] === port && one.payload > 0)
            .map((one) =>
              one.options
                .map(({ kind }) => kind)
                .filter((kind) => KINDS.includes(kind))
                .toSorted((a, b) => a - b),
            );
        report(setting.name, { client: kinds("destinationPort"), server: kinds("sourcePort"), askedAtEnd });
      } finally {
        for (const object of objects) object.close();
      }
    }
  } finally {
    lab.close();
  }
}
