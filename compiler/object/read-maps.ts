/** Maps as BTF defines them: variables of the data section .maps whose structs tell type, sizes and flags (libbpf's convention). */
import { MAP_TYPES } from "../bpf/map-types.ts";
import { sizeOf, type Layout } from "../layout.ts";
import type { KeptPart, MapSpec } from "../module.ts";
import { resolved, type Btf, type BtfType } from "./btf.ts";
import { clipped, type FormatProblem } from "./bytes.ts";
import { keptParts } from "./kept-parts.ts";
import { readMetrics } from "./metrics.ts";
import { layoutOfSize, layoutReader } from "./type-layouts.ts";

const MAP_TYPE_NAMES = new Map<number, string>(Object.entries(MAP_TYPES).map(([name, { number }]) => [number, name]));
/** Values of the `pinning` member (enum libbpf_pin_type). */
const PINNING = { none: 0, byName: 1 } as const;

/** There are twelve different ones. */
const MOST_MEMBERS = 32;

/** The maps in the order of their definitions; what cannot be expressed is told in `problems`. */
export function readMaps(btf: Btf, problems: FormatProblem[]): MapSpec[] {
  const section = btf.types.find((type) => type?.kind === "datasec" && type.name === ".maps");
  if (section?.kind !== "datasec") return [];
  const layoutOf = layoutReader(btf);
  const names = new Set<string>();
  const metrics = readMetrics(btf);
  return section.vars.flatMap(({ type }) => {
    const variable = btf.types[type];
    if (variable?.kind !== "var") {
      problems.push({ text: `.maps: type ${type} of the data section is no variable` });
      return [];
    }
    if (names.has(variable.name)) {
      problems.push({ text: `.maps: two maps are named ${clipped(variable.name)}` });
      return [];
    }
    names.add(variable.name);
    const map = readMap(variable.name, variable.type, btf, layoutOf);
    const metric = metrics.get(variable.name);
    if ("map" in map) return [metric ? { ...map.map, metric } : map.map];
    problems.push({ text: `map ${clipped(variable.name)}: ${map.trouble}` });
    return [];
  });
}

type ReadMap = { readonly map: MapSpec } | { readonly trouble: string };

function readMap(name: string, id: number, btf: Btf, layoutOf: (id: number) => Layout | undefined): ReadMap {
  const definition = resolved(btf, id);
  if (definition?.kind !== "struct") return { trouble: "its definition is no struct" };
  if (definition.members.length > MOST_MEMBERS)
    return { trouble: `its definition has ${definition.members.length} members` };
  const numbers = new Map<string, number>();
  const layouts = new Map<string, Layout>();
  let kept: readonly KeptPart[] = [];
  for (const member of definition.members) {
    const pointed = resolved(btf, member.type);
    switch (member.name) {
      case "key":
      case "value": {
        const layout = pointed?.kind === "ptr" ? layoutOf(pointed.type) : undefined;
        if (!layout) return { trouble: `its ${member.name} has no size` };
        layouts.set(member.name, layout);
        if (member.name === "value" && pointed?.kind === "ptr") kept = keptParts(btf, pointed.type);
        break;
      }
      case "type":
      case "max_entries":
      case "map_flags":
      case "key_size":
      case "value_size":
      case "pinning":
      case "numa_node":
      case "map_extra": {
        // __uint(name, N) is a pointer to an array of N, __ulong(name, N) a variable of an enum whose value is N.
        const array = pointed?.kind === "ptr" ? resolved(btf, pointed.type) : undefined;
        const value = array?.kind === "array" ? array.length : wideNumber(pointed);
        if (value === undefined) return { trouble: `its member ${member.name} is not a number` };
        numbers.set(member.name, value);
        break;
      }
      case "values":
        return { trouble: "it holds maps or programs, which is not supported" };
      default:
        return { trouble: `its member ${clipped(member.name) || "without a name"} is unknown` };
    }
  }
  for (const member of ["numa_node", "map_extra"] as const)
    if ((numbers.get(member) ?? 0) !== 0) return { trouble: `${member} is not supported` };
  const number = numbers.get("type");
  if (number === undefined) return { trouble: "it has no type" };
  const type = MAP_TYPE_NAMES.get(number);
  if (type === undefined) return { trouble: `its type ${number} is unknown` };
  const pinning = numbers.get("pinning") ?? PINNING.none;
  if (pinning !== PINNING.none && pinning !== PINNING.byName) return { trouble: `its pinning is ${pinning}` };
  const sized = (part: "key" | "value"): Layout | undefined | string => {
    const layout = layouts.get(part);
    const size = numbers.get(`${part}_size`);
    if (layout && size !== undefined && size !== sizeOf(layout))
      return `its ${part} has ${sizeOf(layout)} bytes, its ${part}_size is ${size}`;
    return layout ?? (size ? layoutOfSize(size) : undefined);
  };
  const key = sized("key");
  const value = sized("value");
  if (typeof key === "string") return { trouble: key };
  if (typeof value === "string") return { trouble: value };
  return {
    map: {
      name,
      type,
      ...(key ? { key } : {}),
      ...(value ? { value } : {}),
      maxEntries: numbers.get("max_entries") ?? 0,
      flags: numbers.get("map_flags") ?? 0,
      pinned: pinning === PINNING.byName,
      initial: [],
      ...(kept.length > 0 ? { kept } : {}),
    },
  };
}

function wideNumber(type: BtfType | undefined): number | undefined {
  if (type?.kind !== "enum" && type?.kind !== "enum64") return undefined;
  const value = type.values[0]?.value;
  return value === undefined ? undefined : Number(value);
}
