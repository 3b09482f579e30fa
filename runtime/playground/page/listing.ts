/** A text of many lines beside the source: pointing at a line of it points at the line of the source that it came from. */
import type { Row } from "../protocol.ts";
import { make, reveal } from "./dom.ts";
import type { Link } from "./link.ts";

export interface Listing<R extends Row> {
  readonly element: HTMLElement;
  show(rows: readonly R[]): void;
  /** Makes a row the current one, as clicking at it does. */
  select(index: number): void;
}
export interface ListingOptions<R extends Row> {
  /** What it is called by who does not see it. */
  readonly label: string;
  readonly link: Link;
  /** Adds to a row, and to its class. */
  readonly dress?: (row: R, element: HTMLElement, index: number) => void;
  /** A row has become the current one: by keys, or by a click. */
  readonly selected?: (row: R, index: number) => void;
  /** Whether the numbers of the source's lines stand in front. */
  readonly numbers?: boolean;
}

const CLASSES: readonly (readonly [RegExp, string])[] = [
  [/^;/, "note"],
  [/^(program|function|map|param|global|section|func|ELF|\d+ (sections|symbols))\b/, "head"],
  [/^(L\d+|b\d+(\(.*\))?):/, "label"],
];

let made = 0;

export function createListing<R extends Row>({
  label,
  link,
  dress,
  selected,
  numbers = true,
}: ListingOptions<R>): Listing<R> {
  const element = make("div", { class: "listing", role: "listbox", tabindex: 0, "aria-label": label });
  const name = `listing${made++}`;
  let rows: readonly R[] = [];
  let current = -1;
  let linked: HTMLElement[] = [];

  const rowOf = (target: EventTarget | null): number => {
    const row = (target as Element | null)?.closest?.("[data-row]");
    return row instanceof HTMLElement ? Number(row.dataset["row"]) : -1;
  };
  const elementAt = (index: number): HTMLElement | undefined => element.children[index] as HTMLElement | undefined;
  const mark = (line: number | undefined): void => {
    for (const one of linked) one.classList.remove("linked");
    linked = line === undefined ? [] : [...element.querySelectorAll<HTMLElement>(`[data-line="${line}"]`)];
    for (const one of linked) one.classList.add("linked");
  };
  const makeCurrent = (index: number, point: boolean): void => {
    elementAt(current)?.setAttribute("aria-selected", "false");
    current = index;
    const row = elementAt(index);
    if (!row) return;
    row.setAttribute("aria-selected", "true");
    element.setAttribute("aria-activedescendant", row.id);
    reveal(element, row);
    if (point) {
      mark(rows[index]!.line);
      link.point(rows[index]!.line, element);
    }
    selected?.(rows[index]!, index);
  };

  link.follow(element, (line) => {
    if (element.offsetParent === null) return mark(undefined);
    mark(line);
    if (linked[0]) reveal(element, linked[0]);
  });
  element.addEventListener("mouseover", ({ target }) => {
    const line = rows[rowOf(target)]?.line;
    mark(line);
    link.point(line, element);
  });
  element.addEventListener("mouseleave", () => {
    mark(undefined);
    link.point(undefined, element);
  });
  element.addEventListener("click", ({ target }) => {
    const index = rowOf(target);
    if (index >= 0) makeCurrent(index, true);
  });
  element.addEventListener("keydown", (event) => {
    const steps: Readonly<Record<string, number>> = {
      ArrowDown: 1,
      ArrowUp: -1,
      PageDown: 20,
      PageUp: -20,
      Home: -Infinity,
      End: Infinity,
    };
    const step = steps[event.key];
    if (step === undefined || rows.length === 0) return;
    event.preventDefault();
    makeCurrent(Math.min(Math.max(current + step, 0), rows.length - 1), true);
  });

  return {
    element,
    show(given) {
      rows = given;
      current = -1;
      linked = [];
      element.removeAttribute("aria-activedescendant");
      element.replaceChildren(
        ...given.map((row, index) => {
          const kind = CLASSES.find(([pattern]) => pattern.test(row.text))?.[1];
          const one = make(
            "div",
            {
              class: `row ${kind ?? ""}`.trim(),
              role: "option",
              id: `${name}-${index}`,
              "aria-selected": "false",
              "data-row": index,
              "data-line": row.line,
            },
            ...(numbers
              ? [make("span", { class: "at", "aria-hidden": true }, row.line === undefined ? "" : String(row.line))]
              : []),
            make("span", { class: "text" }, row.text),
          );
          dress?.(row, one, index);
          return one;
        }),
      );
    },
    select: (index) => makeCurrent(index, false),
  };
}
