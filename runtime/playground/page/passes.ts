/** The passes one by one: what each has changed of the IR. */
import type { DifferenceRow, PassStep, Row } from "../protocol.ts";
import type { Ask } from "./ask.ts";
import { make } from "./dom.ts";
import type { Link } from "./link.ts";
import { createListing } from "./listing.ts";
import type { Panel } from "./panel.ts";

const SIGNS: Readonly<Record<DifferenceRow["kind"], string>> = { same: " ", added: "+", removed: "−", skipped: "⋯" };

interface StepRow extends Row {
  readonly step: PassStep;
}

export function passesPanel(link: Link): Panel {
  const why = make("p", { class: "hint" });
  const title = make("h3", {});
  let ask: Ask | undefined;
  const changes = createListing<DifferenceRow>({
    label: "What the pass has changed",
    link,
    dress(row, element) {
      element.classList.add(row.kind);
      element.querySelector(".text")!.before(make("span", { class: "sign" }, SIGNS[row.kind]));
    },
  });
  const steps = createListing<StepRow>({
    label: "Passes, in the order in which they run",
    link,
    numbers: false,
    dress({ step }, element) {
      if (!step.changed) element.classList.add("idle");
      element.append(make("span", { class: "count" }, String(step.instructions)));
    },
    selected({ step }, index) {
      title.textContent = `${step.group}/${step.pass}`;
      why.textContent = `${step.why}${step.changed ? "" : " Here it changes nothing."}`;
      void ask?.("difference", index).then((rows) => changes.show(rows));
    },
  });
  steps.element.classList.add("steps");
  return {
    element: make(
      "div",
      { class: "split" },
      make(
        "div",
        { class: "side" },
        make("h3", {}, "Pass", make("span", { class: "count" }, "IR instructions")),
        steps.element,
      ),
      make("div", { class: "wide" }, title, why, changes.element),
    ),
    async refresh(given) {
      ask = given;
      const found = await ask("passes", undefined);
      steps.show(
        found.map((step) => ({ text: `${step.group === "frontend" ? "" : `${step.group}/`}${step.pass}`, step })),
      );
      const first = found.findIndex(({ changed }, index) => index > 0 && changed);
      if (found.length > 0) steps.select(Math.max(first, 0));
      else changes.show([]);
    },
  };
}
