// What npm runs before and after it packs: the declarations of the API, those alone that its two entries lead to, and a README.md whose links all lead
// to something in the package. usage: node scripts/pack.mjs before|after
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const types = join(root, "dist", "types");
const readme = join(root, "README.md");
const kept = join(root, "node_modules", ".cache", "tsbpf-pack", "README.md");

const [when] = process.argv.slice(2);
// One that was interrupted has left it there.
if (existsSync(kept)) renameSync(kept, readme);
if (when === "before") {
  rmSync(types, { recursive: true, force: true });
  execFileSync(join(root, "node_modules/.bin/tsc"), ["-p", join(root, "tsconfig.types.json")], { stdio: "inherit" });
  prune();
  indentByTabs();
  mkdirSync(dirname(kept), { recursive: true });
  const text = readFileSync(readme, "utf8");
  writeFileSync(kept, text);
  writeFileSync(readme, packed(text));
}

/** Removes declarations that nothing of the API leads to. */
function prune() {
  const wanted = new Set(["compiler/api.d.ts", "runtime/api.d.ts"].map((name) => join(types, name)));
  for (const file of wanted)
    for (const [, path] of readFileSync(file, "utf8").matchAll(/(?:from|import\() ?"(\.[^"]+)"/g)) {
      const found = normalize(join(dirname(file), path.replace(/\.js$/, ".d.ts").replace(/(?<!\.d)\.ts$/, ".d.ts")));
      if (existsSync(found)) wanted.add(found);
    }
  for (const name of readdirSync(types, { recursive: true }).map(String)) {
    const file = join(types, name);
    if (name.endsWith(".d.ts") && !wanted.has(file)) rmSync(file);
  }
}

/** Types of tables are nested deeply, and half of their text is spaces. */
function indentByTabs() {
  for (const name of readdirSync(types, { recursive: true }).map(String)) {
    if (!name.endsWith(".d.ts")) continue;
    const text = readFileSync(join(types, name), "utf8");
    writeFileSync(
      join(types, name),
      text.replace(/^(?: {4})+/gm, (spaces) => "\t".repeat(spaces.length / 4)),
    );
  }
}

/** Links to what is not in the package become words. */
function packed(text) {
  const { files } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const isPacked = (path) =>
    path === "LICENSE" || files.some((one) => path === one || path.startsWith(`${one.replace(/\/?\*.*$/, "")}/`));
  return text
    .replace(/^!\[[^\]]*\]\([^)]*\)\n\n/gm, "")
    .replace(/\[([^\]]+)\]\(([^)#\s]+)[^)]*\)/g, (all, words, path) =>
      /^https?:/.test(path) || isPacked(path) ? all : words,
    );
}
