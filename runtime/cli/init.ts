/** `tsbpf init`: a new project, with two programs, their tests, and a lab. Its files are those of templates/project. */
import { chmodSync, existsSync, readdirSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { version } from "../../compiler/version.generated.ts";
import { trouble, writeWhole } from "../files/files.ts";
import { say } from "./output.ts";
import { templates } from "./templates.generated.ts";

export interface InitOptions {
  /** What the project's package.json asks of tsbpf: a range of versions, or file:… */
  readonly tsbpf?: string;
}

/** What may be there before: nothing of it is touched. */
const HARMLESS: ReadonlySet<string> = new Set([".git", ".gitignore", ".idea", ".vscode", "LICENSE", "README.md"]);

/** Writes the files of a new project. Throws TroubleError where there is one already. Returns the exit code. */
export function init(folder: string, options: InitOptions): number {
  const there = existsSync(folder) ? readdirSync(folder) : [];
  const inTheWay = there.filter((name) => !HARMLESS.has(name));
  if (inTheWay.length > 0)
    throw trouble(
      "not-empty",
      `${folder} is not empty: it has ${inTheWay.slice(0, 3).join(", ")}${inTheWay.length > 3 ? ", …" : ""}`,
      "name a folder that is not there yet: tsbpf init DIR",
    );
  const facts = { NAME: packageName(folder), VERSION: options.tsbpf ?? `^${version}` };
  for (const [path, text] of Object.entries(templates)) {
    // npm leaves files called .gitignore out of packages.
    const name = path === "gitignore" ? ".gitignore" : path;
    if (there.includes(name)) continue;
    const place = join(folder, name);
    writeWhole(
      place,
      text.replace(/\b(NAME|VERSION)\b/g, (word) => facts[word as keyof typeof facts]),
    );
    if (text.startsWith("#!")) chmodSync(place, 0o755);
    say(`  ${place}`);
  }
  // One line, which can be copied.
  say(
    `Next: cd ${/^[\w./@-]+$/.test(folder) ? folder : `'${folder.replaceAll("'", `'\\''`)}'`} && npm install && npm test`,
  );
  return 0;
}

/** A name that npm takes: lower case, without what is special in URLs. */
function packageName(folder: string): string {
  const name = basename(resolve(folder))
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, "-")
    .replace(/^[._-]+/, "");
  return name === "" ? "bpf-programs" : name;
}
