import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitepress";

/** Entries of the pages that scripts/docs/ makes. */
const file = fileURLToPath(new URL("sidebar.json", import.meta.url));
const made = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : {};
const group = (text, items = [], collapsed = true) => ({ text, collapsed, items });

export default defineConfig({
  title: "tsbpf",
  description: "Program TCP in TypeScript: options, path managers, congestion control, as verified BPF bytecode.",
  lastUpdated: false,
  // The playground is put beside the pages when they are built.
  ignoreDeadLinks: [/playground\/index/],
  head: [["link", { rel: "icon", href: "data:," }]],
  markdown: { theme: { light: "github-light", dark: "github-dark" }, languageAlias: { events: "ts" } },
  themeConfig: {
    search: { provider: "local" },
    outline: { level: [2, 3] },
    nav: [
      { text: "First hour", link: "/first-hour" },
      { text: "Language", link: "/language/" },
      { text: "Guides", link: "/guides/option" },
      { text: "Commands", link: "/commands/" },
      { text: "Errors", link: "/errors/" },
      { text: "API", link: "/api/" },
      { text: "Playground", link: "/playground/index.html", target: "_self" },
    ],
    sidebar: [
      { text: "First hour", link: "/first-hour" },
      group(
        "The language",
        [
          { text: "Overview", link: "/language/" },
          { text: "Integers", link: "/language/integers" },
          { text: "Structs, lists, names", link: "/language/structs" },
          { text: "Maps", link: "/language/maps" },
          { text: "Metrics", link: "/language/metrics" },
          { text: "Statements and functions", link: "/language/statements" },
          { text: "Limits", link: "/language/limits" },
        ],
        false,
      ),
      group(
        "Guides",
        [
          { text: "An option, from idea to wire", link: "/guides/option" },
          { text: "A path manager", link: "/guides/path-manager" },
          { text: "A packet scheduler", link: "/guides/scheduler" },
          { text: "A congestion control", link: "/guides/congestion-control" },
          { text: "Hooks of system calls", link: "/guides/hooks" },
          { text: "Testing", link: "/guides/testing" },
          { text: "Operating", link: "/guides/operating" },
          { text: "From C and libbpf", link: "/guides/from-c" },
          { text: "What runs where", link: "/guides/what-runs-where" },
        ],
        false,
      ),
      group("The programs", [{ text: "Overview", link: "/guides/programs" }, ...(made.programs ?? [])]),
      group("Commands", [{ text: "Overview", link: "/commands/" }, ...(made.commands ?? [])]),
      group("Errors and warnings", [{ text: "All of them", link: "/errors/" }, ...(made.errors ?? [])]),
      group("Tables", made.tables),
      group("API", [{ text: "Overview", link: "/api/" }, ...(made.api ?? [])]),
      group("Inside", [
        { text: "How it works", link: "/inside/" },
        { text: "What shows that it is true", link: "/inside/evidence" },
        ...(made.project ?? []),
      ]),
    ],
  },
});
