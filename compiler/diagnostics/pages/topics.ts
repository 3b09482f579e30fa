/** The pages of `tsbpf explain`, by topic. They are no part of the command: scripts/build.mjs writes them beside it, and it reads them when asked. */
import type { Key } from "../../diagnostics.ts";
import { declarationPages } from "./declarations.ts";
import { languagePages } from "./language.ts";
import { limitPages } from "./limits.ts";
import { metricPages } from "./metrics.ts";
import type { Page } from "./page.ts";
import { proofPages } from "./proof.ts";
import { structOpsPages } from "./struct-ops.ts";
import { typePages } from "./types.ts";

export const topics: Readonly<Record<string, Readonly<Record<string, Page>>>> = {
  "Statements and expressions": languagePages,
  "Types and values": typePages,
  "Structs, maps, programs, the object": declarationPages,
  Metrics: metricPages,
  Limits: limitPages,
  "What has to be proven": proofPages,
  "Congestion control and schedulers": structOpsPages,
};

/** Every page by its key. */
export const pages: Readonly<Record<Key, Page>> = {
  ...languagePages,
  ...typePages,
  ...declarationPages,
  ...metricPages,
  ...limitPages,
  ...proofPages,
  ...structOpsPages,
};
