/** What `tsbpf explain` can say, read when it is needed. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { PagesDocument } from "../../compiler/diagnostics/pages/document.ts";

/** They lie beside the bundle, which is CommonJS. */
export const readPages = (): PagesDocument =>
  JSON.parse(readFileSync(join(__dirname, "pages.json"), "utf8")) as PagesDocument;
