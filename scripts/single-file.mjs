// The command as one file, for machines that have Node 20.11 or later and neither npm nor this package:
// usage: node scripts/single-file.mjs [FILE]    build/tsbpf-VERSION-PROCESSOR.cjs, from the sources and what `npm run build` has made
// In it is everything that the package's command consists of: TypeScript, the playground, the texts of `explain`, and koffi, whose machine code is for
// this processor (with glibc or musl) and is written into a folder of the process's own for as long as it takes to load it.
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants } from "node:zlib";
import { build } from "esbuild";
import { embed } from "./embed.mjs";
import { noProcesses } from "./no-processes.mjs";
import { typescriptOnly } from "./typescript-module.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const out = resolve(process.argv[2] ?? join(root, `build/tsbpf-${version}-${process.arch}.cjs`));
if (!existsSync(join(root, "dist/pages.bin"))) {
  console.error("dist/ is missing: run `npm run build` first");
  process.exit(1);
}

/** A file's bytes as an expression that gives them. */
const embedded = (file) => {
  const params = { [constants.BROTLI_PARAM_QUALITY]: 9, [constants.BROTLI_PARAM_LGWIN]: 22 };
  const packed = brotliCompressSync(readFileSync(file), { params }).toString("base64");
  return `brotliDecompressSync(Buffer.from("${packed}", "base64"))`;
};

function assetsModule() {
  const dist = join(root, "dist");
  const names = ["pages.bin", ...readdirSync(join(dist, "playground")).map((name) => `playground/${name}`)];
  return `import { brotliDecompressSync } from "node:zlib";
const files = {${names.map((name) => `${JSON.stringify(name)}: () => ${embedded(join(dist, name))}`).join(",\n")}};
export const isSingleFile = true;
export const asset = (name) => files[name]();
export const assetsIn = (folder) =>
  Object.keys(files).filter((name) => name.startsWith(folder + "/")).map((name) => name.slice(folder.length + 1));
`;
}

/** What the runtime uses of koffi is the addon itself, which Node loads from a file alone. */
function koffiModule() {
  const { resolve } = createRequire(join(root, "node_modules/koffi/package.json"));
  const folder = dirname(resolve(`@koromix/koffi-linux-${process.arch}/package.json`));
  const addons = readdirSync(folder)
    .filter((name) => existsSync(join(folder, name, "koffi.node")))
    .sort();
  const rows = addons.map((name) => `${name.split("_")[0]}: () => ${embedded(join(folder, name, "koffi.node"))}`);
  return `import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliDecompressSync } from "node:zlib";
const addons = {${rows.join(",\n")}};
function load() {
  const libc = process.report.getReport().header.glibcVersionRuntime === undefined ? "musl" : "linux";
  const folder = mkdtempSync(join(tmpdir(), "tsbpf-"));
  try {
    const file = join(folder, "koffi.node");
    writeFileSync(file, addons[libc]());
    const addon = { exports: {} };
    process.dlopen(addon, file);
    return addon.exports;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
export default load();
`;
}

const instead = {
  name: "instead",
  setup({ onLoad, onResolve }) {
    onLoad({ filter: /runtime\/cli\/assets\.ts$/ }, () => ({ contents: assetsModule(), loader: "js" }));
    onResolve({ filter: /^koffi$/ }, () => ({ path: "koffi", namespace: "addon" }));
    onLoad({ filter: /./, namespace: "addon" }, () => ({ contents: koffiModule(), resolveDir: root, loader: "js" }));
  },
};

embed();
const { outputFiles } = await build({
  absWorkingDir: root,
  entryPoints: ["runtime/cli/main.ts"],
  bundle: true,
  platform: "node",
  target: "node20",
  format: "cjs",
  minify: true,
  legalComments: "none",
  external: ["vitest"],
  plugins: [typescriptOnly(), noProcesses, instead],
  define: { TSBPF_BUILD: JSON.stringify(`single-file-${version}`) },
  write: false,
  logLevel: "warning",
});
mkdirSync(dirname(out), { recursive: true });
const tooOld =
  'const [M,m]=process.versions.node.split(".").map(Number);if(M<20||(M===20&&m<11)){process.stderr.write("error: tsbpf needs Node.js 20.11 or later, and this is "+process.version+"\\n");process.exit(1)}';
writeFileSync(out, `#!/usr/bin/env node\n{${tooOld}}\n${outputFiles[0].text}`);
chmodSync(out, 0o755);
console.log(out);
