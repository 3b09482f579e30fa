// Makes compiler/bpf/linux-RELEASE.types.ts from the BTF of the running kernel, or of the file given: node scripts/kernel-types.mjs RELEASE [BTF]
import { readFileSync, writeFileSync } from "node:fs";
import { build } from "esbuild";

const [release, from = "/sys/kernel/btf/vmlinux"] = process.argv.slice(2);
if (!/^\d+\.\d+$/.test(release ?? "")) throw new Error("node scripts/kernel-types.mjs RELEASE [BTF FILE]");
const root = new URL("..", import.meta.url).pathname;
const { outputFiles } = await build({
  stdin: {
    contents: `
      export { decodeBtf } from "./compiler/object/btf.ts";
      export { extractTypes } from "./compiler/object/extract-types.ts";
      export { EXTRACTED, printKernelTypes } from "./compiler/bpf/kernel-types.ts";`,
    resolveDir: root,
    loader: "ts",
  },
  bundle: true,
  write: false,
  format: "esm",
  platform: "node",
});
const made = await import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString("base64")}`);
const btf = made.decodeBtf(new Uint8Array(readFileSync(from)));
if ("problem" in btf) throw new Error(btf.problem.text);
const text = made.printKernelTypes(made.extractTypes(btf.value, made.EXTRACTED, release));
writeFileSync(
  `${root}compiler/bpf/linux-${release}.types.ts`,
  `/** Made by scripts/kernel-types.mjs; do not edit. */\nexport const LINUX_${release.replace(".", "_")} = \`${text}\`;\n`,
);
