// The pages that are made: commands of their help, errors of `tsbpf explain`, tables of the compiler's, programs, and documents of the repository.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { factsOf } from "./bundle.mjs";

/** Folders of docs/ that hold nothing else. */
export const MADE = ["commands", "errors", "tables", "programs", "project", "api"];

/** Documents of the repository that are pages as well, and their names there. */
const DOCUMENTS = {
  "CHANGELOG.md": "changelog",
  "SECURITY.md": "security",
  "DECISIONS.md": "decisions",
  "CONTRIBUTING.md": "contributing",
  "kernel/README.md": "kernel",
  "editors/README.md": "editors",
  "runtime/testing/simulator/README.md": "simulator",
};

/** Text that means itself: nothing of it is markup, HTML or Vue's. */
export const plain = (text) =>
  text
    .replace(/[\\`*_|[\]#~]/g, "\\$&")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll("{{", "&#123;&#123;");
/** Words of code in a table; Vue is kept out of all of a page's code by VitePress. */
const code = (text) => (text === "" ? "" : `\`${text.replaceAll("|", "\\|")}\``);
const table = (head, rows) => [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");
const fence = (language, text) => `\`\`\`${language}\n${text.replace(/\n+$/, "")}\n\`\`\``;
const slug = (text) =>
  text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-|-$/g, "");

/** Writes all pages but those of the API. Gives the entries of the side bar, by folder. */
export async function writePages(root) {
  const docs = join(root, "docs");
  for (const folder of MADE) rmSync(join(docs, folder), { recursive: true, force: true });
  const facts = await factsOf(root);
  const write = (path, text) => {
    const file = join(docs, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, `${text.trim()}\n`);
  };
  return {
    commands: commandPages(facts.commands(), write),
    errors: errorPages(facts.errors(root), write),
    tables: tablePages(facts, write),
    programs: programPages(root, write),
    project: documentPages(root, write),
  };
}

// --- commands ---------------------------------------------------------------------------------

function commandPages(all, write) {
  const [whole, ...rest] = all;
  const top = rest.filter(({ path }) => path.length === 1);
  for (const one of top) {
    const below = rest.filter(({ path }) => path.length > 1 && path[0] === one.path[0]);
    write(`commands/${one.path[0]}.md`, [commandText(one, 1), ...below.map((sub) => commandText(sub, 2))].join("\n\n"));
  }
  write(
    "commands/index.md",
    `# Commands

${table(
  ["command", "what it does"],
  top.map((one) => [`[tsbpf ${one.path[0]}](${one.path[0]}.md)`, plain(one.text)]),
)}

Exit status: 0 good, 1 the program is wrong or the kernel refuses, 2 the command line is wrong. Each of these pages is what \`tsbpf COMMAND --help\`
prints; \`tsbpf man | man -l -\` has them in one, and \`tsbpf completions bash\` (zsh, fish) completes them.

${fence("sh", whole.after.replace(/^Examples:\n/, "").replace(/^ {2}/gm, ""))}`,
  );
  return top.map((one) => ({ text: one.path[0], link: `/commands/${one.path[0]}` }));
}

function commandText({ path, text, arguments: args, options, after, commands }, level) {
  const usage = ["tsbpf", ...path, ...args.map((one) => one.usage), ...(options.length > 0 ? ["[options]"] : [])];
  const shown = options.filter(({ long }) => long !== "--help");
  return [
    `${"#".repeat(level)} tsbpf ${path.join(" ")}`,
    text === "" ? "" : `${plain(text[0].toUpperCase() + text.slice(1))}.`,
    fence("sh", usage.join(" ")),
    commands.length > 0 || args.every((one) => one.text === "")
      ? ""
      : table(
          ["argument", ""],
          args.map((one) => [code(one.usage), plain(one.text)]),
        ),
    shown.length === 0
      ? ""
      : table(
          ["option", ""],
          shown.map((one) => [code(one.flags), plain(one.full)]),
        ),
    after === "" ? "" : fence("text", after),
  ]
    .filter(Boolean)
    .join("\n\n");
}

// --- errors -----------------------------------------------------------------------------------

function errorPages(topics, write) {
  const place = ({ topic }, key) => `${slug(topic)}.md#${key}`;
  for (const { topic, pages } of topics) {
    write(`errors/${slug(topic)}.md`, `---\noutline: 2\n---\n\n# ${topic}\n\n${pages.map(errorText).join("\n\n")}`);
  }
  write(
    "errors/index.md",
    `# All errors and warnings

\`tsbpf explain KEY\` prints the same on the command line. The key is the word in brackets: \`error[loose-equality]\`.

${topics
  .map(
    (topic) =>
      `## ${topic.topic}\n\n${table(
        ["key", "what is wrong"],
        topic.pages.map((one) => [
          `[${one.key}](${place(topic, one.key)})${one.severity === "warning" ? ", a warning" : ""}`,
          plain(one.summary),
        ]),
      )}`,
  )
  .join("\n\n")}`,
  );
  return topics.map(({ topic }) => ({ text: topic, link: `/errors/${slug(topic)}` }));
}

const errorText = ({ key, severity, summary, why, wrong, right }) =>
  [
    `## ${key} {#${key}}`,
    `**${severity === "warning" ? "Warning" : "Error"}: ${plain(summary)}.**`,
    ...why.split("\n\n").map(plain),
    ...(wrong === undefined
      ? []
      : [
          "Wrong:",
          wrong.trim() === "" ? "*nothing: an empty file*" : fence("ts", wrong),
          "Right:",
          fence("ts", right),
        ]),
  ].join("\n\n");

// --- tables -----------------------------------------------------------------------------------

function tablePages(facts, write) {
  write(
    "tables/kinds.md",
    `# Kinds of programs

${table(
  ["made by", "the kernel's kind", "sections or structs", "handlers of the kernel's", "needs"],
  facts
    .kinds()
    .map((one) => [
      code(one.name),
      code(one.kind),
      one.sections.map(code).join(" "),
      one.hooks.map(code).join(" "),
      plain(one.needs),
    ]),
)}`,
  );
  write(
    "tables/fields.md",
    `---
outline: 2
---

# Fields

What handlers are given, by type, and which of the kernel's fields each is. Units and details are in [the API](../api/index.md); what can be
assigned is marked.

${facts
  .fields()
  .map(
    ({ name, kind, properties }) =>
      `## ${name}\n\nOf ${code(kind)} programs.\n\n${table(
        ["name", "type", "the kernel's", ""],
        properties.map((one) => [code(one.name), code(one.type), code(one.from), one.write ? "may be assigned" : ""]),
      )}`,
  )
  .join("\n\n")}`,
  );
  write(
    "tables/helpers.md",
    `# Helpers of the kernel

Which of the kernel's helper functions the kinds of programs that tsbpf compiles may call, and from which release on. The language has functions and
methods for those that it needs; \`tsbpf verify\` judges calls of all of them, in objects of other compilers, too.

${table(
  ["number", "helper", "arguments", ...facts.kindNames.map(code), ""],
  facts
    .helpers()
    .map((one) => [
      one.id,
      code(`bpf_${one.name}`),
      one.arguments,
      ...facts.kindNames.map((kind) => one.since[kind] ?? ""),
      one.gplOnly ? "GPL" : "",
    ]),
)}`,
  );
  write(
    "tables/maps.md",
    `# Maps

${table(
  ["class", "the kernel's type", "number", "key", "longest value", "since"],
  facts
    .maps()
    .map((one) => [
      code(one.name),
      code(one.type),
      one.number,
      one.key,
      one.longestValue === undefined ? "" : `${one.longestValue} bytes`,
      one.since ?? "",
    ]),
)}`,
  );
  const { kernels, features, releases } = facts.targets();
  write(
    "tables/kernels.md",
    `# Kernels and features

${table(
  ["target", "", "oldest", "instructions", "stack", "longest option", "CONFIG_HZ of the model"],
  kernels.map((one) => [
    code(one.name),
    plain(one.about),
    one.oldest,
    one.maxInsns,
    `${one.maxStack} bytes`,
    `${one.maxOption} bytes`,
    one.hz,
  ]),
)}

Releases whose verifiers are known: ${releases.join(", ")}. \`tsbpf build --kernel VERSION\` proves for that one and later.

${table(
  ["feature", "", ...kernels.map(({ name }) => code(name))],
  features.map((one) => [
    code(one.key),
    plain(one.about),
    ...kernels.map(({ name }) => (one.of.includes(name) ? "yes" : "no")),
  ]),
)}`,
  );
  write(
    "tables/socket-options.md",
    `# Socket options

What \`conn.setSockOpt(NAME, value)\` may set and \`conn.getSockOpt(NAME)\` may read, and from which release of Linux on.

${table(
  ["name", "level", "value", "takes", "set", "read"],
  facts
    .socketOptions()
    .map((one) => [
      code(one.name),
      one.level,
      one.value,
      one.takes ? `${one.takes.least} to ${one.takes.most}` : "",
      versionText(one.set),
      versionText(one.get),
    ]),
)}`,
  );
  return ["kinds", "fields", "helpers", "maps", "kernels", "socket-options"].map((name) => ({
    text:
      { kinds: "Kinds of programs", kernels: "Kernels and features", "socket-options": "Socket options" }[name] ??
      capital(name),
    link: `/tables/${name}`,
  }));
}
const capital = (text) => text[0].toUpperCase() + text.slice(1);
const versionText = (version) =>
  version === undefined || version === "refused" ? "no" : version === "always" ? "yes" : version;

// --- programs and documents ---------------------------------------------------------------------

function programPages(root, write) {
  const names = readdirSync(join(root, "programs"))
    .filter((name) => /^[\w-]+\.ts$/.test(name))
    .map((name) => name.replace(/\.ts$/, ""))
    .sort();
  for (const name of names) {
    const test = existsSync(join(root, "programs/test", `${name}.test.ts`));
    write(
      `programs/${name}.md`,
      `# ${name}

<<< ../../programs/${name}.ts
${test ? `\n## Its test\n\n<<< ../../programs/test/${name}.test.ts\n` : ""}`,
    );
  }
  return names.map((name) => ({ text: name, link: `/programs/${name}` }));
}

function documentPages(root, write) {
  for (const [path, name] of Object.entries(DOCUMENTS))
    write(`project/${name}.md`, documentText(readFileSync(join(root, path), "utf8"), dirname(path)));
  return Object.values(DOCUMENTS).map((name) => ({ text: capital(name), link: `/project/${name}` }));
}

/** Links to other pages stay links; those to files of the repository become names of files. */
function documentText(text, folder) {
  return outsideOfCode(text, (part) =>
    part
      .replace(/\[([^\]]+)\]\(([^)\s]+)\)/g, (all, words, to) => {
        if (/^(https?:|#)/.test(to)) return all;
        const path = posix.normalize(posix.join(folder, to.replace(/#.*/, "")));
        const page = DOCUMENTS[path];
        return page ? `[${words}](${page}.md)` : words.includes("`") ? words : `\`${path.replace(/\/$/, "")}\``;
      })
      .replace(/<(?=[a-zA-Z/])(?!img|\/?br)/g, "&lt;"),
  );
}
function outsideOfCode(text, change) {
  return text
    .split(/(^```[\s\S]*?^```|`[^`\n]+`)/m)
    .map((part, index) => (index % 2 === 0 ? change(part) : part))
    .join("");
}
