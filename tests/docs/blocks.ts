/** The fenced blocks of the pages that are written by hand: what each is, and where it stands. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../programs.ts";

export interface Block {
  /** "docs/guides/option.md:12". */
  readonly where: string;
  readonly text: string;
  readonly kind: "program" | "fragment" | "test" | "script" | "service" | "events" | "c";
  /** As its first line says: "// programs/hello.ts". */
  readonly name: string | undefined;
}
export interface Page {
  readonly path: string;
  readonly blocks: readonly Block[];
}

/** Folders that scripts/docs/ makes. */
const MADE = new Set(["commands", "errors", "tables", "programs", "project", "api", ".vitepress"]);

/** Every page by hand, and README.md. */
export function pages(): Page[] {
  const docs = join(root, "docs");
  const files = readdirSync(docs, { recursive: true })
    .map(String)
    .filter((name) => name.endsWith(".md") && !MADE.has(name.split("/")[0]!))
    .map((name) => `docs/${name}`)
    .sort();
  return ["README.md", ...files].map((path) => ({ path, blocks: blocksOf(path) }));
}

function blocksOf(path: string): Block[] {
  const blocks: Block[] = [];
  const lines = readFileSync(join(root, path), "utf8").split("\n");
  for (let at = 0; at < lines.length; at++) {
    const fence = /^```(\w+)(?: (\w+))?$/.exec(lines[at]!);
    if (!fence) continue;
    const end = lines.indexOf("```", at + 1);
    const text = `${lines.slice(at + 1, end).join("\n")}\n`;
    const kind = kindOf(fence[1]!, fence[2], text);
    const name = /^\/\/ ([\w./-]+\.(?:ts|c))(?::.*)?$/m.exec(text.split("\n")[0]!)?.[1];
    if (kind) blocks.push({ where: `${path}:${at + 1}`, text, kind, name });
    at = end;
  }
  return blocks;
}

function kindOf(language: string, word: string | undefined, text: string): Block["kind"] | undefined {
  if (language === "events" || language === "c") return language;
  if (language !== "ts") return undefined;
  if (text.includes('from "vitest"')) return "test";
  if (word === "node") return "script";
  if (text.includes("defineService(")) return "service";
  return text.includes('from "tsbpf') ? "program" : "fragment";
}
