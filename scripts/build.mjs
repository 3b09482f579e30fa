// Builds dist/ from the TypeScript sources: the command, the API entries and the JavaScript side of the DSL.
// Runs as npm's `prepare`, so `npm ci` leaves a working `tsbpf` behind.
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const at = (...parts) => join(root, ...parts);

/** The compiler must not read files, so the declarations travel inside it as text. */
function embedDeclarations() {
  const names = ["index", "tcp", "mptcp", "delack", "lib"];
  const entries = names.map(
    (name) => `  ${name}: ${JSON.stringify(readFileSync(at("runtime/dsl", `${name}.d.ts`), "utf8"))},`,
  );
  const text = `// Made from runtime/dsl/*.d.ts by scripts/build.mjs.\nexport const declarations = {\n${entries.join("\n")}\n};\n`;
  writeIfChanged(at("compiler/frontend/declarations.generated.ts"), text);
  const { version } = JSON.parse(readFileSync(at("package.json"), "utf8"));
  writeIfChanged(at("compiler/version.generated.ts"), `export const version = ${JSON.stringify(version)};\n`);
}

function writeIfChanged(path, text) {
  if (!existsSync(path) || readFileSync(path, "utf8") !== text) writeFileSync(path, text);
}

const entries = {
  compiler: "compiler/api.ts",
  runtime: "runtime/api.ts",
  testing: "runtime/testing/index.ts",
  "testing-coverage": "runtime/testing/vitest-coverage.ts",
  "dsl/index": "runtime/dsl/index.ts",
  "dsl/tcp": "runtime/dsl/tcp.ts",
  "dsl/mptcp": "runtime/dsl/mptcp.ts",
  "dsl/delack": "runtime/dsl/delack.ts",
};

const alias = { "ts-morph": "./scripts/ts-only.mjs" };

embedDeclarations();
if (!process.argv.includes("--embed-only")) {
  // What is not there yet (a checkout in the middle of the work) is left out rather than failing the rest.
  const present = Object.fromEntries(Object.entries(entries).filter(([, file]) => existsSync(at(file))));
  const out = at(`dist.tmp-${process.pid}`);
  rmSync(out, { recursive: true, force: true });
  await build({
    absWorkingDir: root,
    entryPoints: present,
    outdir: out,
    bundle: true,
    splitting: true,
    chunkNames: "chunks/[name]-[hash]",
    platform: "node",
    target: "node20",
    format: "esm",
    minify: true,
    keepNames: false,
    sourcemap: false,
    external: ["koffi", "vitest"],
    alias,
    // ts-morph and TypeScript are CommonJS and ask for Node's modules at run time.
    banner: {
      js: 'import{createRequire as __cr}from"node:module";const require=__cr(import.meta.url);import{fileURLToPath as __fu}from"node:url";import{dirname as __dn}from"node:path";const __filename=__fu(import.meta.url),__dirname=__dn(__filename);',
    },
    logLevel: "warning",
  });
  if (existsSync(at("compiler/cli.ts"))) {
    // One CommonJS file, so that bin/tsbpf.cjs can run it through V8's code cache.
    await build({
      absWorkingDir: root,
      entryPoints: { cli: "compiler/cli.ts" },
      outdir: out,
      outExtension: { ".js": ".cjs" },
      bundle: true,
      platform: "node",
      target: "node20",
      format: "cjs",
      minify: true,
      external: ["koffi"],
      alias,
      logLevel: "warning",
    });
  }
  replaceFolder(out, at("dist"));
  linkSelf();
  warmUp();
}

/** One run fills this user's code cache, so that the first real one is quick. It does not matter if it fails. */
function warmUp() {
  if (!existsSync(at("dist/cli.cjs"))) return;
  spawnSync(process.execPath, [at("bin/tsbpf.cjs"), "build", "--emit", "asm", at("programs/ndiffports.ts")], {
    stdio: "ignore",
  });
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
  if (!existsSync(command)) {
    mkdirSync(dirname(command), { recursive: true });
    rmSync(command, { force: true });
    symlinkSync("../../bin/tsbpf.cjs", command);
  }
}
