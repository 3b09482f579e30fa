/** The types that TypeScript does not show: it knows a u32 and a u8 as numbers once something was computed with them. */
import type { Quick } from "./requests.ts";

export interface Hint {
  /** Behind the name. */
  readonly offset: number;
  readonly text: string;
}

/** Types of variables that have none written, in one file. */
export function hints({ findings, sources }: Quick, path: string): Hint[] {
  const file = sources.findIndex((source) => source.path === path);
  const types = new Map<number, Set<string>>();
  for (const one of findings) {
    if (one.kind !== "variable" || one.annotated || one.at.file !== file || !SHOWN.test(one.type)) continue;
    types.set(one.at.end, (types.get(one.at.end) ?? new Set()).add(one.type));
  }
  return [...types]
    .sort(([a], [b]) => a - b)
    .map(([offset, names]) => ({ offset, text: `: ${[...names].join(" or ")}` }));
}
/** Structs and conditions TypeScript names itself. */
const SHOWN = /^(Ref<)?([ui]\d+|be\d+)\b/;
