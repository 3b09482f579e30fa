// A new project from the packed package, with other releases of Node and TypeScript and with other package managers than the usual:
// `npm run test:releases`. Everything comes from npm's registry and is put into a folder that is removed afterwards.
// usage: node tests/releases/main.mjs [--keep] [NAME…]    one or more of the names that it prints
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** What installs a project, by its package and release on npm; those of pnpm do not run the scripts of packages. */
const MANAGERS = {
  npm: { package: undefined, install: ["npm", "install", "--no-audit", "--no-fund", "--legacy-peer-deps"] },
  pnpm: { package: "pnpm@10", install: ["pnpm", "install", "--no-frozen-lockfile"] },
  yarn: { package: "yarn@1", install: ["yarn", "install", "--no-lockfile", "--non-interactive"] },
};
/** Each differs from the usual (the Node that runs this, the template's TypeScript, npm) in one thing. */
const ROWS = [
  // Nothing of tsbpf is there before: `npm create tsbpf DIR`, from the two packages as they are packed.
  { name: "create", create: true },
  ...["20", "22", "24", "26"].map((release) => ({ name: `node-${release}`, node: release })),
  ...["6", "7"].map((release) => ({ name: `typescript-${release}`, typescript: release })),
  ...["pnpm", "yarn"].map((manager) => ({ name: manager, manager })),
];
/** What a user types then. ESLint's rules for TypeScript say themselves which releases they read: they are left to the template's. */
const STEPS = [
  ["npm", "run", "types"],
  ["node_modules/.bin/tsbpf", "check"],
  ["node_modules/.bin/tsbpf", "build"],
  ["node_modules/.bin/tsbpf", "verify", "out/hello-option.o"],
  ["npm", "test"],
];

const asked = process.argv.slice(2);
const names = asked.filter((word) => !word.startsWith("--"));
const unknown = names.filter((name) => !ROWS.some((row) => row.name === name));
if (unknown.length > 0) {
  console.error(`there is no ${unknown.join(", ")}; there are: ${ROWS.map(({ name }) => name).join(", ")}`);
  process.exit(2);
}

const work = mkdtempSync(join(tmpdir(), "tsbpf-releases-"));
/** Runs a command to its end; what it printed where it failed. */
function run(command, cwd, env) {
  const [file, ...args] = command;
  const { status, error, stdout, stderr } = spawnSync(file, args, { cwd, env, encoding: "utf8", timeout: 900_000 });
  return status === 0 ? undefined : `${command.join(" ")}: ${error?.message ?? `exit ${status}`}\n${stdout}${stderr}`;
}

/** Tells what went wrong; "skipped: …" where the release cannot be had. */
function tried({ name, node, typescript, create, manager = "npm" }, { tsbpf: packed, create: creating }) {
  const folder = join(work, name);
  const tools = join(folder, "tools");
  mkdirSync(tools, { recursive: true });
  const cache = join(folder, "cache");
  const env = { ...process.env, XDG_CACHE_HOME: cache, CI: "1" };
  delete env.NODE_OPTIONS;
  const { package: itself, install } = MANAGERS[manager];
  const wanted = [...(node ? [`node@${node}`] : []), ...(itself ? [itself] : [])];
  if (wanted.length > 0) {
    writeFileSync(join(tools, "package.json"), "{}");
    const missing = run(["npm", "install", "--no-audit", "--no-fund", ...wanted], tools, env);
    if (missing) return `skipped: cannot install ${wanted.join(" and ")}\n${missing}`;
    env.PATH = `${join(tools, "node_modules", ".bin")}:${env.PATH}`;
    const is = node && spawnSync("node", ["--version"], { env, encoding: "utf8" }).stdout.trim();
    if (node && !is.startsWith(`v${node}.`)) return `skipped: the package node@${node} gives ${is || "no Node"}`;
  }
  const project = join(folder, "project");
  const makes = create
    ? ["npm", "exec", "--yes", `--package=${creating}`, `--package=${packed}`, "--", "create-tsbpf"]
    : ["node", join(root, "bin", "tsbpf.cjs"), "init"];
  const made = run([...makes, project, "--tsbpf", `file:${packed}`], folder, env);
  if (made) return made;
  if (typescript) {
    const file = join(project, "package.json");
    const { devDependencies, ...rest } = JSON.parse(readFileSync(file, "utf8"));
    const { eslint: _, "typescript-eslint": __, ...others } = devDependencies;
    writeFileSync(file, JSON.stringify({ ...rest, devDependencies: { ...others, typescript: `^${typescript}.0.0` } }));
  }
  for (const step of [install, ...STEPS]) {
    const wrong = run(step, project, env);
    if (wrong) return wrong;
  }
  return undefined;
}

/** The file that a folder is packed into. */
function pack(folder) {
  const args = ["pack", "--silent", "--pack-destination", work];
  const { status, stdout, stderr } = spawnSync("npm", args, { cwd: folder, encoding: "utf8" });
  if (status !== 0) throw new Error(`npm pack: ${stderr}`);
  return join(work, stdout.trim().split("\n").at(-1));
}

let failed = 0;
try {
  const packed = { tsbpf: pack(root), create: pack(join(root, "scripts", "create-tsbpf")) };
  for (const row of ROWS.filter(({ name }) => names.length === 0 || names.includes(name))) {
    const began = Date.now();
    const wrong = tried(row, packed);
    const skipped = wrong?.startsWith("skipped: ") ?? false;
    if (wrong && !skipped) failed++;
    console.log(`${row.name}: ${wrong ?? "right"} (${Math.round((Date.now() - began) / 1000)} s)`);
  }
} finally {
  if (!asked.includes("--keep")) rmSync(work, { recursive: true, force: true });
}
process.exit(failed > 0 ? 1 : 0);
