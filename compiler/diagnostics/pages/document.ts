/** All that `tsbpf explain` can say, as the one file that the command reads: scripts/build.mjs writes it. */
import { catalogue, type Key } from "../../diagnostics.ts";
import type { Severity } from "../row.ts";
import { rightOf, shown, type Page } from "./page.ts";
import { topics } from "./topics.ts";

/** A page with its examples, as people read them. */
export interface WrittenPage extends Omit<Page, "right"> {
  readonly key: string;
  readonly severity: Severity;
  readonly wrong?: string;
  readonly right?: string;
}
export type PagesDocument = readonly { readonly topic: string; readonly pages: readonly WrittenPage[] }[];

/** `wrongOf` gives the text of a key's case. */
export const pagesDocument = (wrongOf: (key: string) => string): PagesDocument =>
  Object.entries(topics).map(([topic, pages]) => ({
    topic,
    pages: Object.entries(pages).map(([key, { right, ...page }]) => ({
      key,
      severity: catalogue[key as Key].severity,
      ...page,
      ...(right === undefined ? {} : { wrong: shown(wrongOf(key)), right: shown(rightOf(wrongOf(key), right)) }),
    })),
  }));
