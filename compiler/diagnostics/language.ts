/** Rows about the language: what the subset has, types, layouts, maps, handlers. */
import { row } from "./row.ts";

export const language = {
  syntax: row<{ text: string }>("error", (f) => f.text),
} as const;
