// Makes the *.generated.ts files: what the compiler carries inside it as text, because it must not read files.
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const at = (...parts) => join(root, ...parts);

/** Brings every generated file up to date; writes only what has changed. */
export function embed() {
  embedDeclarations();
  embedSamples();
  embedTemplates();
}

/** The declarations of the language, and the version. */
function embedDeclarations() {
  const names = ["index", "tcp", "mptcp", "delack", "connect", "sockopt", "cc", "lib"];
  const entries = names.map(
    (name) => `  ${name}: ${JSON.stringify(readFileSync(at("runtime/dsl", `${name}.d.ts`), "utf8"))},`,
  );
  const text = `// Made from runtime/dsl/*.d.ts by scripts/embed.mjs.\nexport const declarations = {\n${entries.join("\n")}\n};\n`;
  writeIfChanged(at("compiler/frontend/declarations.generated.ts"), text);
  const { version } = JSON.parse(readFileSync(at("package.json"), "utf8"));
  writeIfChanged(at("compiler/version.generated.ts"), `export const version = ${JSON.stringify(version)};\n`);
}

/** The examples of the playground; and what the command compiles to get warm beside them: a program with an error of each stage of the frontend. */
function embedSamples() {
  const programs = readdirSync(at("programs"))
    .filter((name) => /\.ts$/.test(name))
    .sort();
  const rows = programs.map(
    (name) => `  ${JSON.stringify(name)}: ${JSON.stringify(readFileSync(at("programs", name), "utf8"))},`,
  );
  writeIfChanged(
    at("runtime/playground/worker/programs.generated.ts"),
    `// Made from programs/ by scripts/embed.mjs.\nexport const programs: Readonly<Record<string, string>> = {\n${rows.join("\n")}\n};\n`,
  );
  const wrong = readFileSync(at("scripts/wrong-sample.txt"), "utf8");
  writeIfChanged(
    at("runtime/cli/wrong-sample.generated.ts"),
    `// Made from scripts/wrong-sample.txt by scripts/embed.mjs.\nexport const wrongSample = ${JSON.stringify(wrong)};\n`,
  );
}

/** The files of a new project, by path. */
function embedTemplates() {
  const folder = at("templates/project");
  const paths = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath ?? entry.path, entry.name)))
    .sort();
  const rows = paths.map(
    (path) => `  ${JSON.stringify(path)}: ${JSON.stringify(readFileSync(join(folder, path), "utf8"))},`,
  );
  writeIfChanged(
    at("runtime/cli/templates.generated.ts"),
    `// Made from templates/project by scripts/embed.mjs.\nexport const templates: Readonly<Record<string, string>> = {\n${rows.join("\n")}\n};\n`,
  );
}

function writeIfChanged(path, text) {
  if (!existsSync(path) || readFileSync(path, "utf8") !== text) writeFileSync(path, text);
}
