// Writes what `tsbpf explain` says into a file beside the command, compressed, which reads it when it is asked and not at its start.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync } from "node:zlib";
import { build } from "esbuild";

export async function writePages(root, file) {
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: ["compiler/diagnostics/pages/document.ts"],
    bundle: true,
    platform: "node",
    format: "esm",
    write: false,
    logLevel: "warning",
  });
  const { pagesDocument } = await import(
    `data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString("base64")}`
  );
  const wrongOf = (key) => readFileSync(join(root, "tests/errors/cases", `${key}.ts`), "utf8");
  writeFileSync(file, brotliCompressSync(JSON.stringify(pagesDocument(wrongOf))));
}
