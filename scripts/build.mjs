// Builds dist/ from the TypeScript sources: the command, the API entries and the JavaScript side of the DSL.
// Runs as npm's `prepare`, so `npm ci` leaves a working `tsbpf` behind.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { embed } from "./embed.mjs";
import { libraryOf, moduleText } from "./library.mjs";
import { noProcesses } from "./no-processes.mjs";
import { writePages } from "./pages.mjs";
import { buildPlayground } from "./playground.mjs";
import { typescriptOnly } from "./typescript-module.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const at = (...parts) => join(root, ...parts);

/** The language as Node sees it; small, and apart from all else, because programs import it. */
const language = {
  "dsl/index": "runtime/dsl/index.ts",
  "dsl/tcp": "runtime/dsl/tcp.ts",
  "dsl/mptcp": "runtime/dsl/mptcp.ts",
  "dsl/delack": "runtime/dsl/delack.ts",
  "dsl/connect": "runtime/dsl/connect.ts",
  "dsl/sockopt": "runtime/dsl/sockopt.ts",
  "dsl/cc": "runtime/dsl/cc.ts",
  "dsl/config": "runtime/dsl/config.ts",
};

/** The package's modules that are in the command's bundle. */
const modules = {
  compiler: "compiler/api.ts",
  runtime: "runtime/api.ts",
  testing: "runtime/testing/index.ts",
  "testing-coverage": "runtime/testing/vitest-coverage.ts",
};

/** Stands in a bundle where its name will be. */
const NO_BUILD_YET = "(no build yet..)";

embed();
if (!process.argv.includes("--embed-only")) {
  const out = at(`dist.tmp-${process.pid}`);
  rmSync(out, { recursive: true, force: true });
  const common = {
    absWorkingDir: root,
    outdir: out,
    bundle: true,
    platform: "node",
    target: "node20",
    minify: true,
    logLevel: "warning",
  };
  await build({
    ...common,
    entryPoints: language,
    splitting: true,
    chunkNames: "dsl/[name]-[hash]",
    format: "esm",
  });
  for (const [name, file] of Object.entries(modules))
    writeFileSync(join(out, `${name}.js`), await moduleText(root, name, file));
  // One CommonJS file, as V8's code cache and its startup snapshots need it.
  await build({
    ...common,
    entryPoints: { cli: "runtime/cli/main.ts", replay: "runtime/cli/cache/replay.ts" },
    outExtension: { ".js": ".cjs" },
    format: "cjs",
    external: ["koffi", "vitest", "vscode-languageserver*"],
    plugins: [typescriptOnly(), libraryOf(root, modules), noProcesses],
    // While Node builds a snapshot there is no module to export to.
    banner: { js: "var module=module||{exports:{}};" },
    define: { TSBPF_BUILD: JSON.stringify(NO_BUILD_YET) },
  });
  await writePages(root, join(out, "pages.bin"));
  await buildPlayground(root, join(out, "playground"));
  const bundles = ["cli.cjs", "replay.cjs"].map((name) => join(out, name));
  const id = buildId(bundles);
  const bundle = readFileSync(join(out, "cli.cjs"));
  // One other character, and V8 keeps all of the text in twice the memory, which each start from the snapshot reads. esbuild escapes what
  // strings hold, but not what regular expressions do.
  const other = bundle.findIndex((byte) => byte > 0x7f);
  if (other >= 0) throw new Error(`not ASCII: write \\u… instead in ${bundle.subarray(other - 60, other + 20)}`);
  // Where one of our files takes `ts` apart as an object, the bundler keeps all that it has.
  if (bundle.includes("transpileModule:")) throw new Error("all of TypeScript is in the bundle: use only ts.NAME");
  writeFileSync(join(out, "tsbpf.1"), execFileSync(process.execPath, [join(out, "cli.cjs"), "man"]));
  // What was prepared for another build must not be used with this one; bin/ compares.
  writeFileSync(join(out, "build.id"), `${id}\n`);
  replaceFolder(out, at("dist"));
  linkSelf();
  await createRequire(import.meta.url)("../bin/startup.cjs").prepare({ beside: true });
}

/** Names what bundles contain, and writes the name into each, where it says what was built by whom. */
function buildId(bundles) {
  const hash = createHash("sha256");
  for (const file of bundles) hash.update(readFileSync(file));
  const id = hash.digest("hex").slice(0, NO_BUILD_YET.length);
  for (const file of bundles) writeFileSync(file, readFileSync(file, "utf8").replaceAll(NO_BUILD_YET, id));
  return id;
}

/** Moves file by file, so that a command running from dist/ meanwhile never meets half a file. */
function replaceFolder(from, to) {
  const files = (dir) =>
    existsSync(dir)
      ? readdirSync(dir, { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile())
          .map((entry) => relative(dir, join(entry.parentPath ?? entry.path, entry.name)))
      : [];
  const made = files(from);
  for (const file of made) {
    mkdirSync(dirname(join(to, file)), { recursive: true });
    if (existsSync(join(to, file)) && readFileSync(join(to, file)).equals(readFileSync(join(from, file)))) continue;
    renameSync(join(from, file), join(to, file));
  }
  for (const old of files(to)) {
    if (!made.includes(old) && !old.startsWith("types/")) rmSync(join(to, old), { force: true });
  }
  rmSync(from, { recursive: true, force: true });
}

/** Lets `npx tsbpf` and `import "tsbpf"` work inside this repository as they do in a user's project. */
function linkSelf() {
  const modules = at("node_modules");
  if (!existsSync(modules)) return;
  const command = join(modules, ".bin", "tsbpf");
  const target = "../../bin/tsbpf";
  const now = lstatSync(command, { throwIfNoEntry: false });
  if (!now?.isSymbolicLink() || readlinkSync(command) !== target) {
    mkdirSync(dirname(command), { recursive: true });
    rmSync(command, { force: true });
    symlinkSync(target, command);
  }
}
