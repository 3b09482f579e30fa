/** What `tsbpf explain` can say, read when it is needed; scripts/pages.mjs has written it. */
import { brotliDecompressSync } from "node:zlib";
import type { PagesDocument } from "../../compiler/diagnostics/pages/document.ts";
import { asset } from "./assets.ts";

export const readPages = (): PagesDocument =>
  JSON.parse(brotliDecompressSync(asset("pages.bin")).toString()) as PagesDocument;
