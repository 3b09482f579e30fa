/** Tabs, as the ARIA Authoring Practices describe them: arrows move between them, Tab goes into the panel. */
import { make } from "./dom.ts";
import type { Panel } from "./panel.ts";

export interface Tabs {
  readonly current: string;
  readonly panel: Panel;
  choose(name: string): void;
}

export function createTabs(
  list: HTMLElement,
  place: HTMLElement,
  panels: Readonly<Record<string, Panel>>,
  chosen: () => void,
): Tabs {
  const names = Object.keys(panels);
  let current = names[0]!;
  const buttons = new Map(
    names.map((name) => {
      const id = name.toLowerCase();
      const button = make(
        "button",
        { type: "button", role: "tab", id: `tab-${id}`, "aria-controls": `panel-${id}` },
        name,
      );
      const panel = make(
        "div",
        { class: "panel", role: "tabpanel", id: `panel-${id}`, "aria-labelledby": `tab-${id}` },
        panels[name]!.element,
      );
      button.addEventListener("click", () => choose(name));
      list.append(button);
      place.append(panel);
      return [name, { button, panel }] as const;
    }),
  );
  list.addEventListener("keydown", (event) => {
    const at = names.indexOf(current);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: names.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    choose(names[(to + names.length) % names.length]!);
    buttons.get(current)!.button.focus();
  });
  function mark(): void {
    for (const [name, { button, panel }] of buttons) {
      button.setAttribute("aria-selected", String(name === current));
      button.tabIndex = name === current ? 0 : -1;
      panel.hidden = name !== current;
    }
  }
  function choose(name: string): void {
    if (!buttons.has(name)) return;
    current = name;
    mark();
    chosen();
  }
  mark();
  return {
    get current() {
      return current;
    },
    get panel() {
      return panels[current]!;
    },
    choose,
  };
}
