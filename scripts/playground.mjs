// The playground as a folder of static files, all addresses in it relative. By itself it writes dist/playground; the build calls it, too.
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { embed } from "./embed.mjs";
import { typescriptOnly } from "./typescript-module.mjs";

/** TypeScript asks for Node's modules where it finds Node. Of our own files none may ask (tests/house). */
const noNode = {
  name: "no-node",
  setup({ onResolve, onLoad }) {
    const names = new RegExp(`^(node:)?(${builtinModules.join("|").replaceAll("/", "\\/")})$`);
    onResolve({ filter: names }, ({ importer, kind }) =>
      importer.includes("node_modules") && kind === "require-call"
        ? { path: "nothing", namespace: "no-node" }
        : { errors: [{ text: "there is no Node in a browser" }] },
    );
    onLoad({ filter: /./, namespace: "no-node" }, () => ({ contents: "module.exports = {};" }));
  },
};

export async function buildPlayground(root, out) {
  const common = {
    absWorkingDir: root,
    bundle: true,
    platform: "browser",
    target: "es2022",
    minify: true,
    legalComments: "none",
    logLevel: "warning",
    write: false,
  };
  const [page, worker] = await Promise.all([
    build({ ...common, entryPoints: ["runtime/playground/page/main.ts"], format: "esm" }),
    build({
      ...common,
      entryPoints: ["runtime/playground/worker/worker.ts"],
      format: "iife",
      plugins: [typescriptOnly(), noNode],
    }),
  ]);
  mkdirSync(out, { recursive: true });
  for (const file of ["index.html", "style.css"]) copyFileSync(join(root, "runtime/playground", file), join(out, file));
  writeFileSync(join(out, "main.js"), page.outputFiles[0].contents);
  // Not called .gz: some hosts would say that it is to be decompressed, and the page does that itself.
  writeFileSync(join(out, "worker.bin"), gzipSync(worker.outputFiles[0].contents, { level: 9 }));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const root = dirname(dirname(fileURLToPath(import.meta.url)));
  const out = join(root, "dist/playground");
  embed();
  rmSync(out, { recursive: true, force: true });
  await buildPlayground(root, out);
  console.log(out);
}
