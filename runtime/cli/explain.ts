/** `tsbpf explain`: what a diagnostic means and why, with examples. */
import type { PagesDocument, WrittenPage } from "../../compiler/diagnostics/pages/document.ts";
import { nearestFirst } from "../../compiler/diagnostics/nearest.ts";
import { colour, err, json, out, troubleText } from "./output.ts";
import { readPages } from "./pages.ts";

const COLUMNS = 80;

/** One page, or without a key the list of all. Returns the exit code. */
export function explain(asked: string | undefined, options: { readonly json?: boolean }): number {
  const topics = readPages();
  if (asked === undefined) {
    out(options.json ? json(topics) : list(topics));
    return 0;
  }
  // As it stands in a report, too: error[loose-equality].
  const key = asked.replace(/^(?:error|warning)?\[([^\]]*)\]:?$/, "$1");
  const pages = topics.flatMap((topic) => topic.pages);
  const page = pages.find((one) => one.key === key);
  if (!page) {
    const near = nearestFirst(
      key,
      pages.map((one) => one.key),
    ).slice(0, 3);
    const message = `nothing that the compiler reports is called ${JSON.stringify(key)}`;
    const help = `the nearest names are ${near.join(", ")}; "tsbpf explain" lists all. What the loader reports has its remedy beside it`;
    err(troubleText({ key: "no-such-key", message, help }, colour(process.stderr)));
    return 2;
  }
  out(options.json ? json(page) : drawn(page));
  return 0;
}

function list(topics: PagesDocument): string {
  const width = Math.max(...topics.flatMap(({ pages }) => pages.map((one) => one.key.length)));
  const drawTopic = ({ topic, pages }: PagesDocument[number]): string =>
    [topic, ...pages.map((one) => `  ${one.key.padEnd(width)}  ${one.summary}`)].join("\n");
  return topics.map(drawTopic).join("\n\n");
}

function drawn({ key, severity, summary, why, wrong, right }: WrittenPage): string {
  const indented = (text: string): string => text.trim().replace(/^(?=.)/gm, "    ");
  return [
    wrapped(`${severity}[${key}]: ${summary}`),
    ...why.split("\n\n").map(wrapped),
    ...(wrong === undefined || right === undefined
      ? []
      : ["Wrong:", indented(wrong) || "    (nothing)", "Right:", indented(right)]),
  ].join("\n\n");
}

/** Lines of at most 80 columns, broken at blanks. */
function wrapped(text: string): string {
  const lines = [""];
  for (const word of text.split(" ")) {
    const last = lines[lines.length - 1]!;
    if (last === "") lines[lines.length - 1] = word;
    else if (last.length + 1 + word.length <= COLUMNS) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines.join("\n");
}
