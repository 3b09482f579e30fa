/** What the verifier knows before each instruction, and the path that fails, step by step. */
import type { KnownState, PathStep, VerifiedInstruction, VerifiedProgram } from "../protocol.ts";
import { make } from "./dom.ts";
import type { Link } from "./link.ts";
import { createListing } from "./listing.ts";
import type { Panel } from "./panel.ts";

/** A table of a state; what differs from another one is marked. */
function stateTable(state: KnownState, before?: KnownState): HTMLElement {
  const old = new Map(before ?? state);
  const rows = state.map(([name, content]) => {
    const changed = old.get(name) !== content;
    return make(
      "tr",
      { class: changed ? "changed" : undefined },
      make("th", { scope: "row" }, name),
      make("td", {}, content),
    );
  });
  return make("table", { class: "state" }, make("tbody", {}, ...rows));
}

const count = (value: number, one: string): string => `${value.toLocaleString("en")} ${one}${value === 1 ? "" : "s"}`;

export function verifierPanel(link: Link): Panel {
  const summary = make("p", { class: "summary", role: "status" });
  const choice = make("select", { "aria-label": "Program" });
  const state = make("div", { class: "known", "aria-live": "polite" });
  const timeline = make("div", { class: "timeline", role: "group", "aria-label": "The path that fails" });
  let programs: readonly VerifiedProgram[] = [];

  const showInstruction = ({ slot, visits, states }: VerifiedInstruction): void => {
    const title = make("h3", {}, `before ${slot}`, make("span", { class: "count" }, count(visits, "visit")));
    if (states.length === 0)
      return state.replaceChildren(title, make("p", { class: "hint" }, "The verifier never comes here."));
    const more = visits > states.length ? [make("p", { class: "hint" }, "Further visits are not shown.")] : [];
    state.replaceChildren(title, ...states.map((one, index) => stateTable(one, states[index - 1])), ...more);
  };
  const instructions = createListing<VerifiedInstruction>({
    label: "Instructions, with how often the verifier came there",
    link,
    dress({ slot, visits }, element) {
      if (visits === 0) element.classList.add("idle");
      element.querySelector(".text")!.before(make("span", { class: "slot" }, String(slot)));
      element.append(make("span", { class: "count", title: "visits" }, `×${visits}`));
    },
    selected: showInstruction,
  });
  const path = createListing<PathStep>({
    label: "Steps of the path that fails",
    link,
    dress({ slot, taken }, element, index) {
      element.querySelector(".text")!.before(make("span", { class: "slot" }, String(slot)));
      if (taken !== undefined) element.append(make("span", { class: "count" }, taken ? "jumps" : "goes on"));
      if (index === path.element.childElementCount) element.classList.add("step");
    },
    selected: (_, index) => showStep(index),
  });
  const slider = make("input", { type: "range", min: 1, "aria-label": "Step of the path" });
  const place = make("output", {});
  let steps: readonly PathStep[] = [];

  function showStep(index: number): void {
    const step = steps[index];
    if (!step) return;
    slider.value = String(index + 1);
    place.textContent = `step ${index + 1} of ${steps.length}`;
    const last = index === steps.length - 1;
    const title = make("h3", {}, last ? "refused here, knowing" : "known before this step");
    state.replaceChildren(title, stateTable(step.state, steps[index - 1]?.state));
  }
  const go = (by: number) => () => path.select(Math.min(Math.max(Number(slider.value) - 1 + by, 0), steps.length - 1));
  slider.addEventListener("input", () => {
    const index = Number(slider.value) - 1;
    path.select(index);
    link.point(steps[index]?.line, slider);
  });
  const back = make("button", { type: "button", "aria-label": "Step before" }, "◀");
  const on = make("button", { type: "button", "aria-label": "Next step" }, "▶");
  back.addEventListener("click", go(-1));
  on.addEventListener("click", go(1));
  const bar = make("div", { class: "scrub" }, back, slider, on, place);

  function show(index: number): void {
    const program = programs[index];
    state.replaceChildren();
    if (!program) return;
    const verdict = {
      accept: `Linux ${program.kernel} accepts ${program.name}: ${count(program.processed, "instruction")} processed, of 1,000,000`,
      reject: `Linux ${program.kernel} refuses ${program.name}: ${program.problem}`,
      unsupported: `${program.name}: ${program.message}`,
    }[program.verdict];
    const more = [
      program.message && program.verdict === "reject" && program.message !== program.problem
        ? `kernel: ${program.message}`
        : "",
      program.remedy ? `help: ${program.remedy}` : "",
    ].filter(Boolean);
    summary.className = `summary ${program.verdict}`;
    summary.replaceChildren(verdict, ...more.map((text) => make("span", { class: "hint" }, text)));
    instructions.show(program.instructions);
    steps = program.path;
    timeline.hidden = steps.length === 0;
    instructions.element.hidden = steps.length > 0 && !all.checked;
    toggle.hidden = steps.length === 0;
    path.element.hidden = all.checked;
    bar.hidden = all.checked;
    if (steps.length > 0) {
      slider.max = String(steps.length);
      path.show(steps);
      path.select(steps.length - 1);
    } else if (program.instructions.length > 0) instructions.select(0);
    skipped.textContent = program.skipped > 0 ? `${count(program.skipped, "step")} before these are left out.` : "";
  }
  const skipped = make("p", { class: "hint" });
  const all = make("input", { type: "checkbox", id: "all-instructions" });
  const toggle = make("label", { class: "toggle" }, all, " all instructions instead of the path");
  all.addEventListener("change", () => show(Number(choice.value)));
  choice.addEventListener("change", () => show(Number(choice.value)));
  timeline.append(bar, skipped, path.element);

  return {
    element: make(
      "div",
      { class: "stack" },
      make("div", { class: "top" }, choice, summary, toggle),
      make("div", { class: "split" }, make("div", { class: "wide" }, timeline, instructions.element), state),
    ),
    async refresh(ask) {
      programs = await ask("verify", undefined);
      choice.replaceChildren(...programs.map(({ name }, index) => make("option", { value: index }, name)));
      choice.hidden = programs.length < 2;
      const failing = programs.findIndex(({ verdict }) => verdict !== "accept");
      choice.value = String(Math.max(failing, 0));
      all.checked = false;
      if (programs.length > 0) return show(Number(choice.value));
      summary.className = "summary";
      summary.textContent = "No bytecode yet: the compiler's errors come first.";
      timeline.hidden = true;
      toggle.hidden = true;
      instructions.show([]);
      state.replaceChildren();
    },
  };
}
