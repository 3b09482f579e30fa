/** The run panel: events are played by the model of `tsbpf/testing`, and after each it shows the wire, the maps and the lines that ran. */
import type { Played, Row, WireSegment } from "../protocol.ts";
import type { Ask } from "./ask.ts";
import { later, make } from "./dom.ts";
import type { Link } from "./link.ts";
import { createListing } from "./listing.ts";
import type { Panel } from "./panel.ts";

const hex = (bytes: readonly number[]): string => bytes.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");

/** Options one by one: kind, length, and what is in it. */
function* optionsIn(bytes: readonly number[]): Generator<readonly number[]> {
  for (let at = 0; at < bytes.length;) {
    const kind = bytes[at]!;
    const length = kind <= 1 ? 1 : Math.max(bytes[at + 1] ?? 2, 2);
    yield bytes.slice(at, at + length);
    at += length;
  }
}

function wireOf({ from, what, options }: WireSegment): HTMLElement {
  const parts = [...optionsIn(options)].filter(([kind]) => kind! > 1);
  return make(
    "li",
    {},
    make("span", { class: "hint" }, `${from}: ${what}`),
    make(
      "code",
      { class: "wire", "data-wire": hex(options) },
      ...(parts.length === 0
        ? [make("span", { class: "hint" }, "no option of a program")]
        : parts.map((bytes) =>
            make("span", { class: "option", title: `kind ${bytes[0]}, ${bytes[1]} bytes` }, hex(bytes)),
          )),
    ),
  );
}

const table = (rows: readonly (readonly [string, string])[]): HTMLElement =>
  make(
    "table",
    { class: "state" },
    make(
      "tbody",
      {},
      ...rows.map(([name, value]) => make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, value))),
    ),
  );

interface StepRow extends Row {
  readonly step: Played;
}

export interface RunPanel extends Panel {
  readonly events: string;
  /** Other events, or those that are usual for what is compiled. */
  load(events: string): void;
  /** What is played where nothing was written. */
  usual(events: string): void;
  play(): void;
}

export function runPanel(
  link: Link,
  ran: (counts: Readonly<Record<number, number>> | undefined, last: readonly number[]) => void,
  changed: () => void,
): RunPanel {
  const events = make("textarea", {
    id: "events",
    rows: 8,
    spellcheck: "false",
    autocomplete: "off",
    "aria-describedby": "events-hint",
  });
  const help = make("ul", { class: "events" });
  const details = make("div", { class: "details", "aria-live": "polite" });
  let own = false;
  let ask: Ask | undefined;

  const effects = createListing<Row>({ label: "What the program did", link });
  const show = (step: Played): void => {
    ran(step.lines, step.ran);
    effects.show(step.effects);
    const section = (title: string, ...inside: readonly (Node | string)[]): HTMLElement[] =>
      inside.length === 0 ? [] : [make("section", {}, make("h3", {}, title), ...inside)];
    const maps = step.maps.flatMap(({ name, entries }) => [
      make("h4", {}, name),
      entries.length === 0 ? make("p", { class: "hint" }, "empty") : table(entries),
    ]);
    const picture =
      step.svg === undefined
        ? []
        : [make("img", { alt: step.result ?? "", src: `data:image/svg+xml,${encodeURIComponent(step.svg)}` })];
    details.replaceChildren(
      make("h3", { class: "now" }, step.text, make("span", { class: "count" }, `at ${step.now} ms`)),
      ...(step.problem === undefined ? [] : [make("p", { class: "problem", role: "alert" }, step.problem)]),
      ...(step.result === undefined ? [] : [make("p", {}, step.result)]),
      ...picture,
      ...section(
        "On the wire",
        ...(step.wire.length > 0 ? [make("ol", { class: "plain" }, ...step.wire.map(wireOf))] : []),
      ),
      ...section("What the program did", ...(step.effects.length > 0 ? [effects.element] : [])),
      ...section("Maps", ...maps),
      ...section("Connection", ...(step.facts.length > 0 ? [table(step.facts)] : [])),
    );
  };
  const steps = createListing<StepRow>({
    label: "Events that were played",
    link,
    numbers: false,
    dress({ step }, element) {
      if (step.problem !== undefined) element.classList.add("failed");
      const wire = step.wire.flatMap(({ options }) => options);
      if (wire.length > 0)
        element.append(
          make("span", { class: "count wire" }, step.wire.length === 1 ? hex(wire) : `${step.wire.length} segments`),
        );
    },
    selected: ({ step }) => show(step),
  });

  const playNow = async (): Promise<void> => {
    if (!ask) return;
    const { steps: played, help: rows } = await ask("play", events.value);
    help.replaceChildren(
      ...rows.map(({ usage, what }) => {
        const button = make(
          "button",
          { type: "button" },
          make("code", {}, usage),
          make("span", { class: "hint" }, what),
        );
        button.addEventListener("click", () => {
          events.value = `${events.value.trimEnd()}\n${usage}\n`.trimStart();
          own = true;
          events.scrollTop = events.scrollHeight;
          changed();
          void playNow();
        });
        return make("li", {}, button);
      }),
    );
    steps.show(played.map((step) => ({ text: step.text, step })));
    details.replaceChildren();
    ran(undefined, []);
    if (played.length > 0) steps.select(played.length - 1);
    else
      details.replaceChildren(
        make(
          "p",
          { class: "hint" },
          rows.length === 0
            ? "There is nothing to run: the program has errors, or has no handlers."
            : "Write an event, or click at one.",
        ),
      );
  };
  const soon = later(300, () => void playNow());
  events.addEventListener("input", () => {
    own = true;
    changed();
    soon();
  });
  const button = make("button", { type: "button", class: "main" }, "Play");
  button.addEventListener("click", () => void playNow());

  return {
    element: make(
      "div",
      { class: "split run" },
      make(
        "div",
        { class: "side" },
        make("h3", {}, make("label", { for: "events" }, "Events"), button),
        events,
        make("p", { class: "hint", id: "events-hint" }, "One a line. Ctrl-Enter in the source comes here."),
        make("details", {}, make("summary", {}, "All events"), help),
        make("h3", {}, "Played"),
        steps.element,
      ),
      details,
    ),
    get events() {
      return own ? events.value : "";
    },
    load(text) {
      own = text !== "";
      events.value = text;
    },
    usual(text) {
      if (!own) events.value = text;
    },
    async refresh(given) {
      ask = given;
      await playNow();
    },
    play: () => void playNow(),
  };
}
