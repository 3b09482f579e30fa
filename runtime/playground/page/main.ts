/** The page: source on one side, what the compiler makes of it on the other. All work is the worker's. */
import type { TargetName } from "../../../compiler/bpf/kernels.ts";
import type { JsonDiagnostic } from "../../../compiler/diagnostics/render.ts";
import type { Compiled, Example } from "../protocol.ts";
import { pack, unpack } from "./address.ts";
import { startWorker, type Ask } from "./ask.ts";
import { assistance } from "./assist.ts";
import { byId, later, make } from "./dom.ts";
import { createEditor } from "./editor.ts";
import { createLink } from "./link.ts";
import type { Panel } from "./panel.ts";
import { passesPanel } from "./passes.ts";
import { runPanel } from "./run.ts";
import { createTabs } from "./tabs.ts";
import { textPanel } from "./text-panel.ts";
import { themeButton } from "./theme.ts";
import { verifierPanel } from "./verifier.ts";

const example = byId("example", "select");
const target = byId("target", "select");
const status = byId("status", "p");
const problems = byId("problems", "ol");
const share = byId("share", "button");
themeButton(byId("theme", "button"));

const link = createLink();
let ask: Ask | undefined;
let examples: readonly Example[] = [];

const remember = later(400, () => void keep());
const editor = createEditor({
  parent: byId("editor", "div"),
  link,
  changed: () => {
    soon();
    remember();
  },
  run: () => tabs.choose("Run"),
  more: assistance(() => ask),
});
const bytecode = textPanel("Bytecode, under the source lines it came from", link, (compiled) => compiled.bytecode);
const ir = textPanel("IR behind the last pass", link, (compiled) => compiled.ir);
const object = textPanel("Object file", link, (compiled) => compiled.object);
const run = runPanel(link, (counts, last) => editor.ran(counts, last), remember);
const tabs = createTabs(
  byId("tabs", "div"),
  byId("panels", "div"),
  { Bytecode: bytecode, IR: ir, Passes: passesPanel(link), Verifier: verifierPanel(link), Object: object, Run: run },
  () => {
    editor.ran(undefined, []);
    void refresh();
    remember();
  },
);

async function keep(): Promise<void> {
  const packed = await pack({
    text: editor.text,
    ...(run.events === "" ? {} : { events: run.events }),
    ...(target.value === "" ? {} : { target: target.value }),
    tab: tabs.current,
  });
  history.replaceState(null, "", `#${packed}`);
}

async function refresh(): Promise<void> {
  if (!ask || !compiledOnce) return;
  const { panel } = tabs;
  panel.element.setAttribute("aria-busy", "true");
  try {
    await panel.refresh(ask);
    panel.element.removeAttribute("aria-busy");
  } catch (error) {
    fail(error);
  }
}

const fail = (error: unknown): void => {
  status.textContent = `The playground itself failed: ${error instanceof Error ? error.message : String(error)}`;
  status.className = "error";
};

let compiledOnce = false;
/** The text that the answers are about. */
let compiledText = "";
/** What the last whole compilation took: of what takes longer than this, a draft is shown first. */
let whole = 0;
const DRAFT_ABOVE = 200;
/** The rest of a draft is done when nothing was typed for so long. */
const QUIET = 300;

/** One compilation at a time; of those that are asked for meanwhile the last. */
let busy = false;
let again = false;
async function compiling(work: (given: Ask) => Promise<void>): Promise<void> {
  if (!ask) return;
  if (busy) {
    again = true;
    return;
  }
  busy = true;
  try {
    await work(ask);
  } catch (error) {
    fail(error);
  }
  busy = false;
  if (!again) return;
  again = false;
  await compile();
}

const compile = (): Promise<void> =>
  compiling(async (given) => {
    const started = performance.now();
    const chosen = target.value as TargetName | "";
    compiledText = editor.text;
    const asked = { text: compiledText, ...(chosen === "" ? {} : { target: chosen }) };
    const compiled = await given(whole > DRAFT_ABOVE ? "draft" : "compile", asked);
    compiledOnce = true;
    await show(compiled, performance.now() - started);
    if (compiled.draft) finishSoon();
  });
const soon = later(120, () => void compile());

/** Proves what a draft has shown, unless another text is on its way. */
const finishSoon = later(QUIET, () => {
  if (editor.text === compiledText && !busy)
    void compiling(async (given) => {
      const compiled = await given("finish", undefined);
      await show(compiled, compiled.milliseconds);
    });
});

async function show(compiled: Compiled, milliseconds: number): Promise<void> {
  if (compiledText === editor.text) editor.show(compiled.diagnostics);
  for (const panel of [bytecode, ir]) panel.show(compiled);
  run.usual(compiled.events);
  tell(compiled, milliseconds);
  // The others ask for the whole of it.
  const inDraft: readonly Panel[] = [bytecode, ir];
  if (!compiled.draft) {
    whole = compiled.milliseconds;
    object.show(compiled);
    await refresh();
  } else if (inDraft.includes(tabs.panel)) await refresh();
}

function tell(
  { diagnostics, programs, objectBytes, target: chosen, kernel, draft }: Compiled,
  milliseconds: number,
): void {
  const errors = diagnostics.filter(({ severity }) => severity === "error").length;
  const count = (number: number, one: string): string => `${number} ${one}${number === 1 ? "" : "s"}`;
  const instructions = programs.reduce((sum, one) => sum + one.instructions, 0);
  const stack = Math.max(0, ...programs.map((one) => one.stack));
  const proven = draft ? "not proven yet" : `object of ${objectBytes.toLocaleString("en")} bytes`;
  const made = `${count(instructions, "instruction")}, ${stack} bytes of stack, ${proven}`;
  const where = `${chosen}${kernel === undefined ? "" : `, Linux ${kernel} and later`}`;
  const what = errors > 0 ? count(errors, "error") : objectBytes > 0 || draft ? made : "no programs";
  status.textContent = `${what} · ${where} · ${Math.round(milliseconds)} ms`;
  status.className = errors > 0 ? "error" : draft ? "" : "good";
  const { dataset } = status;
  dataset[draft ? "draftMs" : "ms"] = String(Math.round(milliseconds));
  const counted = draft ? "drafted" : "compiled";
  dataset[counted] = String(Number(dataset[counted] ?? 0) + 1);
  problems.replaceChildren(...diagnostics.map(problemOf));
  problems.hidden = diagnostics.length === 0;
}

function problemOf(one: JsonDiagnostic): HTMLElement {
  const place = one.line === undefined ? "" : `${one.line}:${one.column}`;
  const button = make(
    "button",
    { type: "button", class: one.severity },
    make("span", { class: "at" }, place),
    make("span", { class: "message" }, one.message, make("code", {}, one.key)),
    ...(one.help === undefined ? [] : [make("span", { class: "hint" }, one.help)]),
  );
  button.addEventListener("click", () => one.line !== undefined && editor.goTo(one.line, one.column));
  return make("li", {}, button);
}

function loadExample(name: string): void {
  const found = examples.find((one) => one.name === name);
  if (!found) return;
  run.load(found.events);
  target.value = "";
  editor.load(found.text);
}
example.addEventListener("change", () => loadExample(example.value));
target.addEventListener("change", () => {
  remember();
  void compile();
});
share.addEventListener("click", () => {
  void (async () => {
    await keep();
    try {
      await navigator.clipboard.writeText(location.href);
      share.textContent = "Copied";
    } catch {
      share.textContent = "It is in the address";
    }
    setTimeout(() => (share.textContent = "Copy link"), 1500);
  })();
});

async function open(): Promise<boolean> {
  const kept = await unpack(location.hash.slice(1));
  if (!kept) return false;
  run.load(kept.events ?? "");
  target.value = kept.target ?? "";
  editor.load(kept.text);
  if (kept.tab !== undefined) tabs.choose(kept.tab);
  return true;
}
addEventListener("hashchange", () => void open());

async function start(): Promise<void> {
  const opened = await open();
  const given = await startWorker();
  examples = await given("examples", undefined);
  example.replaceChildren(
    ...(opened ? [make("option", { value: "" }, "from the link")] : []),
    ...examples.map(({ name }) => make("option", { value: name }, name.replace(/\.ts$/, ""))),
  );
  ask = given;
  if (opened) await compile();
  else loadExample(examples[0]!.name);
}
start().catch(fail);
