/** `tsbpf map get|set|delete|dump`: OBJECT/MAP, id:N, or the path of a pin. */
import type { Layout } from "../../compiler/layout.ts";
import { printable } from "../../compiler/printable.ts";
import type { Value } from "../kernel/codec.ts";
import { RuntimeError } from "../kernel/errors.ts";
import { parseValue, show, toJson } from "../kernel/format.ts";
import type { MapHandle } from "../kernel/maps.ts";
import { openMap, openObject } from "../kernel/pins.ts";
import { parsePrefixKey, showPrefixKey } from "../kernel/prefix.ts";
import { socketOf } from "../kernel/sockets.ts";
import { isKeyless, isPerCpu, isRingType } from "../../compiler/bpf/map-types.ts";
import { drained, err, out, outputFailed, say, whenLost } from "./output.ts";
import { jsonText, line } from "./report.ts";

export interface MapOptions {
  readonly pins: string;
  readonly json?: boolean;
}

const UNTYPED =
  "the types of keys and values cannot be read, which takes CAP_SYS_ADMIN: they are taken by their size alone";

interface OpenMap {
  readonly map: MapHandle;
  /** Layout of what `get` gives: an array with one value per CPU on per-CPU maps. */
  readonly value: Layout;
  close(): void;
}

function find(where: string, options: MapOptions): OpenMap {
  // A path has a slash at its start, or more than one: what the current folder happens to hold decides nothing.
  const opened = /^id:|^[./]|\/.*\//.test(where) ? openMap(where) : openByName(where, options);
  const { map } = opened;
  const perCpu = isPerCpu(map.shape.type);
  return { ...opened, value: perCpu ? { kind: "array", of: map.shape.value, length: 0 } : map.shape.value };
}

function openByName(where: string, options: MapOptions): { readonly map: MapHandle; close(): void } {
  const [object, name, ...more] = where.split("/");
  if (!object || !name || more.length > 0)
    throw new RuntimeError("bad-argument", `${where} names no map`, {
      help: "OBJECT/MAP (see tsbpf list), id:N, or the path of a pin",
    });
  const pinned = openObject(object, options.pins);
  if (pinned.untyped) err(UNTYPED);
  const map = pinned.object.maps[name];
  if (!map) {
    const names = Object.keys(pinned.object.maps);
    const type = pinned.object.module.maps.find((spec) => spec.name === name)?.type ?? "";
    const ring = isRingType(type);
    pinned.close();
    throw new RuntimeError(
      "not-found",
      ring
        ? `${name} is a ring buffer`
        : isKeyless(type)
          ? `${name} is a map without keys (${type})`
          : `${object} has no map ${name}`,
      {
        help: ring
          ? `tsbpf trace ${object} shows its records`
          : names.length > 0
            ? `it has ${names.join(", ")}`
            : "it has none",
      },
    );
  }
  return { map, close: pinned.close };
}

const isTrie = (map: MapHandle): boolean => map.shape.type === "lpm_trie";
const hangsOnSockets = (map: MapHandle): boolean => map.shape.type === "sk_storage";
/** Does something with a key that is given as text; of a socket a descriptor of ours, for as long. */
function withKey<T>(map: MapHandle, text: string, run: (key: Value) => T): T {
  if (!hangsOnSockets(map))
    return run((isTrie(map) ? parsePrefixKey(map.shape.key, text) : parseValue(map.shape.key, text, "key")) as Value);
  const [, pid, fd] = /^(\d{1,9}):(\d{1,9})$/.exec(text) ?? [];
  if (pid === undefined || fd === undefined)
    throw new RuntimeError("bad-value", `key: ${printable(text)} is no socket`, {
      help: "write PID:FD, a process and its descriptor, as ss -tnp lists them (pid=4711,fd=8 is 4711:8)",
    });
  const socket = socketOf(Number(pid), Number(fd));
  try {
    return run(socket.fd);
  } finally {
    socket.close();
  }
}
const keyText = (map: MapHandle, key: Value): string =>
  (isTrie(map) ? showPrefixKey(map.shape.key, key) : undefined) ?? show(map.shape.key, key);

export function get(where: string, key: string, options: MapOptions): Promise<number> {
  const { map, value, close } = find(where, options);
  try {
    const found = withKey(map, key, (at) => map.get(at));
    if (options.json) line(found === undefined ? null : toJson(value, found));
    else if (found === undefined) say(`${where} has no such key`);
    else out(show(value, found));
    return Promise.resolve(found === undefined ? 1 : 0);
  } finally {
    close();
  }
}

export function set(where: string, key: string, text: string, options: MapOptions): Promise<number> {
  const { map, close } = find(where, options);
  try {
    withKey(map, key, (at) => map.set(at, parseValue(map.shape.value, text, "value") as Value));
    whenLost("the value is stored all the same");
    if (options.json) line({ stored: true });
    return Promise.resolve(0);
  } finally {
    close();
  }
}

/** The exit code says whether the key was there. */
export function remove(where: string, key: string, options: MapOptions): Promise<number> {
  const { map, close } = find(where, options);
  try {
    const deleted = withKey(map, key, (at) => map.delete(at));
    whenLost(deleted ? "the key is deleted all the same" : "nothing was deleted");
    if (options.json) line({ deleted });
    else if (!deleted) say(`${where} has no such key`);
    return Promise.resolve(deleted ? 0 : 1);
  } finally {
    close();
  }
}

/** Prints as it reads: neither the map nor its text is ever held whole, and a slow reader is waited for. */
export async function dump(where: string, options: MapOptions): Promise<number> {
  const { map, value, close } = find(where, options);
  try {
    const print = options.json ? jsonDump(map, value) : textDump(map, value);
    for (const chunk of map.chunks()) {
      if (outputFailed()) break;
      const text = print.chunk(chunk);
      if (text !== "" && !out(text)) await drained();
    }
    const end = print.end();
    if (end !== "") out(end);
    return 0;
  } finally {
    close();
  }
}

type Entry = readonly [key: Value, value: Value];
interface Dump {
  chunk(entries: readonly Entry[]): string;
  end(): string;
}

/** One list, with an entry on each line. */
function jsonDump(map: MapHandle, value: Layout): Dump {
  // Held back by one chunk, because a comma follows all but the last.
  let before: string | undefined;
  return {
    chunk(entries) {
      const texts = entries.map(
        ([key, found]) => `  ${jsonText({ key: toJson(map.shape.key, key), value: toJson(value, found) })}`,
      );
      if (texts.length === 0) return "";
      const print = before === undefined ? "[" : `${before},`;
      before = texts.join(",\n");
      return print;
    },
    end: () => (before === undefined ? "[]" : `${before}\n]`),
  };
}

/** Columns as wide as the widest key of the first chunk. */
function textDump(map: MapHandle, value: Layout): Dump {
  let width: number | undefined;
  return {
    chunk(entries) {
      const rows = entries.map(([key, found]) => [keyText(map, key), show(value, found)] as const);
      const first = width === undefined;
      width ??= rows.reduce((most, [key]) => Math.max(most, key.length), "KEY".length);
      const lines = first ? [["KEY", "VALUE"] as const, ...rows] : rows;
      return lines.map(([key, found]) => `${printable(key).padEnd(width!)}  ${printable(found)}`).join("\n");
    },
    end: () => (width === undefined ? printable(`${map.name} is empty`) : ""),
  };
}
