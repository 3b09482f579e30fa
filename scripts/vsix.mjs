// Packs the extension for VS Code: `npm run vsix` writes tsbpf-VERSION.vsix. The packer, vsce, is fetched from the registry when it runs:
// it is larger than all else that is needed here, and nothing else needs it.
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const source = join(root, "editors/vscode");
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const out = resolve(process.argv[2] ?? `tsbpf-${version}.vsix`);
const folder = mkdtempSync(join(tmpdir(), "tsbpf-vsix-"));
try {
  await build({
    absWorkingDir: source,
    entryPoints: ["extension.cjs"],
    outfile: join(folder, "extension.cjs"),
    bundle: true,
    platform: "node",
    target: "node18",
    format: "cjs",
    minify: true,
    external: ["vscode"],
    logLevel: "warning",
  });
  const manifest = JSON.parse(readFileSync(join(source, "package.json"), "utf8"));
  writeFileSync(join(folder, "package.json"), `${JSON.stringify({ ...manifest, version }, undefined, 2)}\n`);
  copyFileSync(join(root, "LICENSE"), join(folder, "LICENSE"));
  copyFileSync(join(root, "editors/README.md"), join(folder, "README.md"));
  const vsce = ["exec", "--yes", "--package=@vscode/vsce@3", "--", "vsce"];
  execFileSync("npm", [...vsce, "package", "--no-dependencies", "--allow-missing-repository", "--out", out], {
    cwd: folder,
    stdio: "inherit",
  });
} finally {
  rmSync(folder, { recursive: true, force: true });
}
