// The package's modules lie in the command's bundle, where the snapshot needs them anyway, and not a second time beside it: what `import
// "tsbpf/compiler"` reads is a file that asks the bundle. It names each export, as modules must.
import { build } from "esbuild";

/** esbuild plugin for the command: the modules are made when they are asked for, and no start pays for them. */
export const libraryOf = (root, modules) => ({
  name: "library",
  setup({ onLoad }) {
    const rows = Object.entries(modules).map(
      ([name, file]) => `${JSON.stringify(name)}: () => require(${JSON.stringify(`./${file}`)})`,
    );
    onLoad({ filter: /runtime\/cli\/library\.ts$/ }, () => ({
      contents: `export const library = { ${rows.join(", ")} };\n`,
      resolveDir: root,
      loader: "js",
    }));
  },
});

/** The text of a module of the package that is in the bundle. */
export async function moduleText(root, name, file) {
  const names = (await exportsOf(root, file)).map((one) => (one === "default" ? "default: standard" : one));
  return [
    'import { createRequire } from "node:module";',
    `const { ${names.join(", ")} } = createRequire(import.meta.url)("./cli.cjs").library[${JSON.stringify(name)}]();`,
    `export { ${names.map((one) => (one.startsWith("default") ? "standard as default" : one)).join(", ")} };`,
    "",
  ].join("\n");
}

async function exportsOf(root, file) {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: [file],
    bundle: true,
    packages: "external",
    platform: "node",
    format: "esm",
    metafile: true,
    write: false,
    outdir: root,
    logLevel: "error",
  });
  return Object.values(metafile.outputs)[0].exports;
}
