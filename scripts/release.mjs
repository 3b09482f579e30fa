// A release of both packages, tsbpf and create-tsbpf: npm run release says what would be published, npm run release -- --publish does it. The
// provenance that npm attaches says which commit and which run of the CI they were made by; npm makes it there alone.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { values } = parseArgs({ options: { publish: { type: "boolean", default: false } } });

const folders = [root, join(root, "scripts", "create-tsbpf")];
const packages = folders.map((folder) => JSON.parse(readFileSync(join(folder, "package.json"), "utf8")));
const [{ version }, create] = packages;
const git = (...args) => execFileSync("git", args, { cwd: root, encoding: "utf8" }).trim();

/** What keeps it from being released. */
const missing = [
  ...(create.version === version && create.dependencies.tsbpf === version
    ? []
    : [`create-tsbpf is ${create.version} and asks for tsbpf ${create.dependencies.tsbpf}: both must be ${version}`]),
  ...(new RegExp(`^## ${version.replaceAll(".", "\\.")}(?: |$)`, "m").test(
    readFileSync(join(root, "CHANGELOG.md"), "utf8"),
  )
    ? []
    : [`CHANGELOG.md has no section "## ${version}": "## Unreleased" becomes it`]),
  ...(git("status", "--porcelain") === "" ? [] : ["files are changed and not committed"]),
  ...(git("tag", "--points-at", "HEAD").split("\n").includes(`v${version}`)
    ? []
    : [`the commit has no tag v${version}`]),
];
for (const one of missing) console.error(`${values.publish ? "error" : "to do"}: ${one}`);
if (values.publish && missing.length > 0) process.exit(1);

const command = values.publish ? ["publish", "--provenance", "--access", "public"] : ["pack", "--dry-run"];
for (const folder of folders) execFileSync("npm", command, { cwd: folder, stdio: "inherit" });
if (!values.publish)
  console.log(`nothing was published; ${missing.length === 0 ? "all is ready: -- --publish" : "see above"}`);
