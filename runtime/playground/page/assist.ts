/** Completions and hovers of the editor: what the compiler's own TypeScript knows of the language. */
import { autocompletion, completionKeymap, type Completion, type CompletionContext } from "@codemirror/autocomplete";
import type { Extension } from "@codemirror/state";
import { hoverTooltip, keymap } from "@codemirror/view";
import type { NameFacts } from "../../../compiler/frontend/completions.ts";
import type { Ask } from "./ask.ts";
import { make } from "./dom.ts";

/** What CodeMirror draws before a name. */
const ICONS: Readonly<Record<NameFacts["kind"], string>> = {
  function: "function",
  variable: "variable",
  class: "class",
  property: "property",
  method: "method",
  type: "type",
  text: "constant",
};

function described({ name, type, text }: NameFacts): HTMLElement {
  return make(
    "div",
    { class: "described" },
    ...(type === "" ? [] : [make("code", {}, `${name}: ${type}`)]),
    ...(text === "" ? [] : [make("p", {}, text)]),
  );
}

/** `ask` gives the way to the worker as soon as there is one. */
export function assistance(ask: () => Ask | undefined): Extension {
  const complete = async (context: CompletionContext) => {
    const word = context.matchBefore(/[\w$]+$/);
    const wanted = word !== null || context.explicit || context.matchBefore(/[.{"]\s?$/) !== null;
    const asking = ask();
    if (!wanted || !asking) return null;
    const { from, names } = await asking("complete", { text: context.state.doc.toString(), offset: context.pos });
    if (context.aborted || names.length === 0) return null;
    const options = names.map((one): Completion => ({
      label: one.name,
      type: ICONS[one.kind],
      info: () => described(one),
    }));
    return { from, options, validFor: /^[\w$]*$/ };
  };
  const hover = hoverTooltip(async (view, pos) => {
    const word = view.state.wordAt(pos);
    const asking = ask();
    if (!word || !asking) return null;
    const found = await asking("hover", { text: view.state.doc.toString(), offset: pos });
    return found ? { pos: word.from, end: word.to, create: () => ({ dom: described(found) }) } : null;
  });
  return [autocompletion({ override: [complete], icons: true }), hover, keymap.of(completionKeymap)];
}
