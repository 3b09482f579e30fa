/** `tsbpf map get|set|dump`: OBJECT/MAP, id:N, or the path of a pin. */
import { out } from "../../compiler/cli/output.ts";
import type { Layout } from "../../compiler/layout.ts";
import { PER_CPU_MAPS, RING_MAPS } from "../kernel/abi.ts";
import type { Value } from "../kernel/codec.ts";
import { RuntimeError } from "../kernel/errors.ts";
import { parseValue, show, toJson } from "../kernel/format.ts";
import type { MapHandle } from "../kernel/maps.ts";
import { openMap, openObject } from "../kernel/pins.ts";
import { document, line, table } from "./report.ts";

export interface MapOptions {
  readonly pins: string;
  readonly json?: boolean;
}

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
  const perCpu = PER_CPU_MAPS.has(map.shape.type);
  return { ...opened, value: perCpu ? { kind: "array", of: map.shape.value, length: 0 } : map.shape.value };
}

function openByName(where: string, options: MapOptions): { readonly map: MapHandle; close(): void } {
  const [object, name, ...more] = where.split("/");
  if (!object || !name || more.length > 0)
    throw new RuntimeError("bad-argument", `${where} names no map`, {
      help: "OBJECT/MAP (see tsbpf list), id:N, or the path of a pin",
    });
  const pinned = openObject(object, options.pins);
  const map = pinned.object.maps[name];
  if (!map) {
    const names = Object.keys(pinned.object.maps);
    const ring = pinned.object.module.maps.some((spec) => spec.name === name && RING_MAPS.has(spec.type));
    pinned.close();
    throw new RuntimeError("not-found", ring ? `${name} is a ring buffer` : `${object} has no map ${name}`, {
      help: ring
        ? `tsbpf trace ${object} shows its records`
        : names.length > 0
          ? `it has ${names.join(", ")}`
          : "it has none",
    });
  }
  return { map, close: pinned.close };
}

const keyOf = (map: MapHandle, text: string): Value => parseValue(map.shape.key, text, "key") as Value;

export function get(where: string, key: string, options: MapOptions): Promise<number> {
  const { map, value, close } = find(where, options);
  try {
    const found = map.get(keyOf(map, key));
    if (options.json) line(found === undefined ? null : toJson(value, found));
    else if (found === undefined) out(`${where} has no such key`);
    else out(show(value, found));
    return Promise.resolve(found === undefined ? 1 : 0);
  } finally {
    close();
  }
}

export function set(where: string, key: string, text: string, options: MapOptions): Promise<number> {
  const { map, close } = find(where, options);
  try {
    map.set(keyOf(map, key), parseValue(map.shape.value, text, "value") as Value);
    if (options.json) line({ stored: true });
    return Promise.resolve(0);
  } finally {
    close();
  }
}

export function dump(where: string, options: MapOptions): Promise<number> {
  const { map, value, close } = find(where, options);
  try {
    const entries = map.batch();
    if (options.json)
      document(entries.map(([key, found]) => ({ key: toJson(map.shape.key, key), value: toJson(value, found) })));
    else
      out(
        table(
          ["KEY", "VALUE"],
          entries.map(([key, found]) => [show(map.shape.key, key), show(value, found)]),
        ) || `${map.name} is empty`,
      );
    return Promise.resolve(0);
  } finally {
    close();
  }
}
