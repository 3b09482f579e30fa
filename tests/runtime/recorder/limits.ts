/** Which values of socket options are taken: a program that tries those of a map, and writes down what came back. */
import type { SetSockOpts } from "tsbpf/tcp";
import type { TargetName } from "../../../compiler/bpf/kernels.ts";
import { setNames } from "./program.ts";

/** Values around every limit that an option has, as unsigned words. */
export const VALUES = [
  0, 1, 2, 255, 256, 1_000, 1_001, 3_333, 4_000, 4_001, 8_000, 10_000, 10_001, 199_999, 200_000, 200_001, 300_000,
  0x7fff_ffff, 0x8000_0000, 0xffff_ffff,
] as const;
export const numbers = (target: TargetName): (keyof SetSockOpts)[] =>
  setNames(target).filter((name) => name !== "TCP_CONGESTION");
/** Names of congestion controls: one that is always there, one that never is, and the one that is refused. */
export const NAMES = ["reno", "nv", "cdg"] as const;
/** Of results: numbers first, then names. */
export const resultCount = (target: TargetName): number => numbers(target).length * VALUES.length + NAMES.length;

export function limitsSource(target: TargetName): string {
  const names = numbers(target);
  return `
import { ArrayMap, i32, license, range, u32 } from "tsbpf";
import { Op, sockOps } from "tsbpf/tcp";
license("GPL");
export const values = new ArrayMap({ value: u32, maxEntries: ${VALUES.length} });
export const results = new ArrayMap({ value: i32, maxEntries: ${resultCount(target)} });
export const limits = sockOps((ctx) => {
  if (ctx.op !== Op.ActiveEstablished) return 1;
  for (const at of range(${VALUES.length})) {
    const value = values.get(at);
    if (value === undefined) continue;
${names.map((name, index) => `    results.set(at + ${index * VALUES.length}, ctx.setSockOpt("${name}", value));`).join("\n")}
  }
${NAMES.map((name, index) => `  results.set(${names.length * VALUES.length + index}, ctx.setSockOpt("TCP_CONGESTION", "${name}"));`).join("\n")}
  return 1;
});
`;
}

/** The results as a table that a reader can compare: a line for each option, value and result. */
export const limitsTable = (target: TargetName, results: readonly number[]): string =>
  [
    ...numbers(target).map(
      (name, row) =>
        `${name}: ${VALUES.map((value, at) => `${value} ${results[row * VALUES.length + at]}`).join(", ")}`,
    ),
    NAMES.map((name, at) => `${name} ${results[numbers(target).length * VALUES.length + at]}`).join(", "),
  ].join("\n");
