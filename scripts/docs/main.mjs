// Builds the documentation into dist/docs, or serves it while it is written: npm run docs [-- --base /PATH/ | --dev]
import { cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { writeApi } from "./api.mjs";
import { brokenLinks } from "./links.mjs";
import { writePages } from "./pages.mjs";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const docs = join(root, "docs");
const out = join(root, "build", "docs");

const { values } = parseArgs({
  options: { base: { type: "string", default: "/" }, dev: { type: "boolean", default: false } },
});
if (!/^\/(.*\/)?$/.test(values.base)) {
  console.error(`--base begins and ends with a slash: /${values.base.replace(/^\/|\/$/g, "")}/`);
  process.exit(2);
}

const sidebar = { ...(await writePages(root)), api: await writeApi(root) };
writeFileSync(join(docs, ".vitepress", "sidebar.json"), JSON.stringify(sidebar));

const vitepress = await import("vitepress");
if (values.dev) {
  const server = await vitepress.createServer(docs, { base: values.base });
  await server.listen();
  server.printUrls();
} else {
  rmSync(out, { recursive: true, force: true });
  // It says which of its pages has a link to a page that is not there, and fails.
  await vitepress.build(docs, { base: values.base, outDir: out });
  const playground = join(root, "dist", "playground");
  if (existsSync(playground)) cpSync(playground, join(out, "playground"), { recursive: true });
  else {
    // The link to it leads somewhere, and says what is missing.
    mkdirSync(join(out, "playground"), { recursive: true });
    writeFileSync(
      join(out, "playground", "index.html"),
      '<!doctype html><meta charset="utf-8"><title>No playground here</title><p>This copy of the documentation was built without the playground. <a href="../">Back</a></p>\n',
    );
  }
  const broken = brokenLinks(out, values.base);
  for (const one of broken) console.error(one);
  if (broken.length > 0) process.exit(1);
  console.log(`the documentation is in ${out}`);
  process.exit(0);
}
