/** Every socket option that is a number, with values around its limits: a program that sets each and reads it back, in the kernel and on the model. */
import { release } from "node:os";
import {
  isKnownTo,
  SOCKET_OPTIONS,
  type SocketOption,
  type SocketOptionName,
} from "../../../compiler/bpf/socket-options.ts";
import { has, kernelOf } from "../../../compiler/bpf/kernels.ts";
import { versionIn } from "../../../compiler/bpf/verifier-rules.ts";
import { load } from "../../../runtime/api.ts";
import { createHost } from "../../../runtime/testing/host.ts";
import { htons } from "../../../runtime/dsl/index.ts";
import type { ProgramView } from "../../../runtime/testing/program-view.ts";
import { compiled } from "../compiled.ts";
import { hosts } from "./kernel.ts";
import { open } from "./model.ts";
import { SESSION } from "./session.ts";

/** What the model cannot know, and what is compared then; every other answer is compared as a number. */
const LOOSE: { readonly [N in SocketOptionName]?: "there" } = {
  // Of the path, and of the window that was there before.
  TCP_MAXSEG: "there",
  TCP_WINDOW_CLAMP: "there",
};
/** Values that say more than those around the limits. */
const VALUES_OF: { readonly [N in SocketOptionName]?: readonly number[] } = {
  SO_SNDBUF: [0, 2303, 2304, 2305, 50_000],
  SO_RCVBUF: [0, 1151, 1152, 1153, 50_000],
  IP_TOS: [0, 1, 0x2e << 2, 255],
  IPV6_TCLASS: [0, 1, 0x2e << 2, 255, 256, 0xffff_ffff],
  TCP_MAXSEG: [0, 87, 88, 32_767, 32_768],
};
const MOST_VALUES = 8;
export const valuesOf = (name: SocketOptionName): readonly number[] => {
  const { takes, value }: SocketOption = SOCKET_OPTIONS[name];
  if (value === "bool") return [1, 0, 1];
  const around = takes ? [takes.least - 1, takes.least, takes.most, takes.most + 1] : [];
  const all = [...new Set([1, ...around, 0, 300, 0x7fff_ffff, 0xffff_ffff].map((one) => one >>> 0))];
  return VALUES_OF[name] ?? all.slice(0, MOST_VALUES);
};

const running = kernelOf("mainline", versionIn(release()));
const there = ([name, row]: [SocketOptionName, SocketOption], call: "set" | "get"): boolean =>
  row.value !== "header" &&
  isKnownTo(row, call, running.oldest) &&
  (!row.needs || has(running, row.needs)) &&
  name in SOCKET_OPTIONS;
const rows = Object.entries(SOCKET_OPTIONS) as [SocketOptionName, SocketOption][];
/** Options of numbers that this machine's kernel has, in the order in which they are asked. */
export const asked = (family: "ipv4" | "ipv6"): readonly SocketOptionName[] =>
  rows.flatMap(([name, row]) =>
    (row.value === "u32" || row.value === "bool") &&
    there([name, row], "set") &&
    (row.level === 41) === (family === "ipv6")
      ? [name]
      : [],
  );
export const canBeRead = (name: SocketOptionName): boolean => there([name, SOCKET_OPTIONS[name]], "get");

/** Options of one program: more would be too many instructions. */
export const AT_ONCE = 8;
const ABSENT = 0xdead_beef;

function source(names: readonly SocketOptionName[]): string {
  const slots = names.length * MOST_VALUES;
  const turn = (name: SocketOptionName, index: number): string => {
    const isBool = SOCKET_OPTIONS[name].value === "bool";
    const get = canBeRead(name)
      ? `    const read${index} = ctx.getSockOpt("${name}");
    results.set(2 * (at + ${index * MOST_VALUES}) + 1, read${index} === undefined ? ${ABSENT} : ${isBool ? `read${index} ? 1 : 0` : `read${index}`});`
      : "";
    return `  for (const at of range(${valuesOf(name).length})) {
    const value = values.get(at + ${index * MOST_VALUES}) ?? 0;
    results.set(2 * (at + ${index * MOST_VALUES}), u32(ctx.setSockOpt("${name}", ${isBool ? "value !== 0" : "value"})));
${get}
  }`;
  };
  return `
import { ArrayMap, license, range, u32 } from "tsbpf";
import { Op, sockOps } from "tsbpf/tcp";
license("GPL");
export const values = new ArrayMap({ value: u32, maxEntries: ${slots} });
export const results = new ArrayMap({ value: u32, maxEntries: ${2 * slots} });
export const options = sockOps((ctx) => {
  if (ctx.op !== Op.ActiveEstablished) return 1;
${names.map(turn).join("\n")}
  return 1;
});
`;
}
type Answers = Readonly<Record<string, readonly string[]>>;
/** By option: each value with what the call said and what was read afterwards. */
const answers = (names: readonly SocketOptionName[], result: (index: number) => number): Answers =>
  Object.fromEntries(
    names.map((name, index) => [
      name,
      valuesOf(name).map((value, at) => {
        const slot = 2 * (index * MOST_VALUES + at);
        const read = result(slot + 1);
        const seen = !canBeRead(name) || read === ABSENT ? "nothing" : LOOSE[name] ? "something" : read;
        return `${value}: ${result(slot) | 0}, then ${seen}`;
      }),
    ]),
  );
const setAll = (names: readonly SocketOptionName[], set: (key: number, value: number) => void): void => {
  names.forEach((name, index) => valuesOf(name).forEach((value, at) => set(index * MOST_VALUES + at, value)));
};

/** In the kernel; and what the socket itself says of each option at the end. */
export async function askKernel(
  family: "ipv4" | "ipv6",
  names: readonly SocketOptionName[],
): Promise<{
  readonly answers: Answers;
  readonly own: Readonly<Record<string, number>>;
  readonly last: Readonly<Record<string, number>>;
}> {
  const object = load(compiled("options", "mainline", source(names)));
  const own: Record<string, number> = {};
  try {
    setAll(names, (key, value) => object.maps["values"]!.set(key, value));
    await hosts(family, async ({ groups, where, client, server }) => {
      object.attach(groups.client);
      await server.call("listen", where);
      const id = await client.call<number>("connect", where);
      for (const name of names.filter(canBeRead)) {
        const { level, number } = SOCKET_OPTIONS[name];
        const { bytes } = await client.call<{ bytes?: number[] }>("getsockopt", {
          id,
          level,
          option: number,
          length: 4,
        });
        if (bytes) own[name] = Buffer.from(bytes).readUInt32LE();
      }
    });
    const result = (index: number): number => Number(object.maps["results"]!.get(index));
    const last = Object.fromEntries(
      names
        .filter((name) => name in own)
        .map((name) => [name, result(2 * (names.indexOf(name) * MOST_VALUES + valuesOf(name).length - 1) + 1)]),
    );
    return { answers: answers(names, result), own, last };
  } finally {
    object.close();
  }
}

/** On the model, with a clock of `hz` ticks a second. */
export async function askModel(
  family: "ipv4" | "ipv6",
  names: readonly SocketOptionName[],
  hz: number,
): Promise<Answers> {
  const { options, values, results } = await open<{
    options: ProgramView;
    values: { set(key: number, value: number): void };
    results: { get(key: number): number };
  }>("options", source(names), "mainline", createHost({ hz, congestionControls: ["reno"] }));
  setAll(names, (key, value) => values.set(key, value));
  const { ipv6 } = SESSION;
  const connection =
    family === "ipv4"
      ? options
      : options.on({ localIp6: ipv6.client, remoteIp6: ipv6.server, remotePort: htons(SESSION.serverPort) });
  connection.established("client");
  return answers(names, (index) => results.get(index));
}
