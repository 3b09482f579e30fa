/**
 * Which version of Linux brought helpers, map types and program types. Numbers are given out in order, so that the last one of each
 * version tells of all; the numbers are those of include/uapi/linux/bpf.h. Who may call what: compiler/bpf/kinds.
 */
import { HELPERS, type HelperName } from "./helpers.ts";
import { MAP_TYPES, type MapTypeName } from "./map-types.ts";
import { isAtLeast, type Version } from "./verifier-rules.ts";

type Lasts = readonly (readonly [version: Version, last: number])[];

export const LAST_HELPERS: Lasts = [
  ["5.10", 155],
  ["5.11", 161],
  ["5.12", 163],
  ["5.13", 165],
  ["5.14", 168],
  ["5.15", 175],
  ["5.16", 179],
  ["5.17", 185],
  ["5.18", 193],
  ["5.19", 203],
  ["6.0", 207],
  ["6.1", 209],
  ["6.2", 211],
];
export const LAST_MAP_TYPES: Lasts = [
  ["5.10", 28],
  ["5.11", 29],
  ["5.16", 30],
  ["6.1", 31],
  ["6.2", 32],
  ["6.9", 33],
];
export const LAST_PROGRAM_TYPES: Lasts = [
  ["5.10", 30],
  ["5.14", 31],
  ["6.4", 32],
];

/** The first version that has the number; undefined for numbers that no version gave out (the patched kernel's own). */
const first = (lasts: Lasts, number: number): Version | undefined => lasts.find(([, last]) => number <= last)?.[0];

export const helperSince = (name: HelperName): Version | undefined => first(LAST_HELPERS, HELPERS[name].id);
export const mapTypeSince = (name: MapTypeName): Version | undefined => first(LAST_MAP_TYPES, MAP_TYPES[name].number);
/** By the number of the program type. */
export const programTypeSince = (number: number): Version | undefined => first(LAST_PROGRAM_TYPES, number);

/** Whether a version has what came with another; what came with none is not for versions to decide. */
export const hasCome = (since: Version | undefined, version: Version): boolean =>
  since === undefined || isAtLeast(version, since);
