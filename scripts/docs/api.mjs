// The API of the package's modules, by TypeDoc, of their declarations and sources.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Application } from "typedoc";

/** The modules, by the file that says what they export. */
const MODULES = {
  tsbpf: "runtime/dsl/index.d.ts",
  "tsbpf/tcp": "runtime/dsl/tcp.d.ts",
  "tsbpf/mptcp": "runtime/dsl/mptcp.d.ts",
  "tsbpf/cc": "runtime/dsl/cc.d.ts",
  "tsbpf/connect": "runtime/dsl/connect.d.ts",
  "tsbpf/sockopt": "runtime/dsl/sockopt.d.ts",
  "tsbpf/delack": "runtime/dsl/delack.d.ts",
  "tsbpf/config": "runtime/dsl/config.d.ts",
  "tsbpf/testing": "runtime/dsl/testing.d.ts",
  "tsbpf/compiler": "compiler/api.ts",
  "tsbpf/runtime": "runtime/api.ts",
};

/** Writes docs/api; gives its entries of the side bar. */
export async function writeApi(root) {
  const folder = join(root, "node_modules", ".cache", "tsbpf-docs", "api");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const entries = Object.entries(MODULES).map(([name, file]) => {
    const entry = join(folder, `${name.replace("/", "-")}.ts`);
    // By its name where it is declared: by its path it would be the JavaScript side of the language.
    const from = file.endsWith(".d.ts") ? name : join(root, file);
    writeFileSync(entry, `/** @module ${name} */\nexport * from ${JSON.stringify(from)};\n`);
    return entry;
  });
  const paths = Object.fromEntries(Object.entries(MODULES).map(([name, file]) => [name, [join(root, file)]]));
  const tsconfig = join(folder, "tsconfig.json");
  writeFileSync(
    tsconfig,
    JSON.stringify({
      extends: join(root, "tsconfig.json"),
      files: entries,
      include: [],
      exclude: [],
      compilerOptions: { noEmit: true, paths, typeRoots: [join(root, "node_modules/@types")] },
    }),
  );
  const app = await Application.bootstrapWithPlugins({
    entryPoints: entries,
    tsconfig,
    plugin: ["typedoc-plugin-markdown"],
    basePath: root,
    disableSources: true,
    skipErrorChecking: true,
    excludePrivate: true,
    readme: "none",
    name: "API",
    router: "module",
    // Its default is docs/ itself, and it would clear that first.
    outputs: [{ name: "markdown", path: join(root, "docs", "api") }],
    entryFileName: "index",
    hidePageHeader: true,
    hideBreadcrumbs: true,
    useCodeBlocks: true,
    expandObjects: false,
    interfacePropertiesFormat: "table",
    enumMembersFormat: "table",
    propertyMembersFormat: "table",
    typeAliasPropertiesFormat: "table",
    parametersFormat: "table",
    sanitizeComments: true,
    logLevel: "Error",
  });
  const project = await app.convert();
  if (!project) throw new Error("TypeDoc cannot read the declarations");
  await app.generateOutputs(project);
  for (const name of Object.keys(MODULES)) {
    const page = join(root, "docs", "api", `${name}.md`);
    writeFileSync(page, withPlaces(readFileSync(page, "utf8")));
  }
  return Object.keys(MODULES).map((name) => ({ text: name, link: `/api/${name}` }));
}

/** TypeDoc counts headings of one name by another rule than VitePress: a link to a second one that is not there means the only one. */
function withPlaces(text) {
  const places = [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) => heading.toLowerCase().replace(/[^\w]+/g, ""));
  return text.replace(/\(#(\w+)-(\d+)\)/g, (all, place) =>
    places.filter((one) => one === place).length > 1 ? all : `(#${place})`,
  );
}
