/** The source: CodeMirror with the compiler's diagnostics, the line that is pointed at, and the lines that ran. */
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { javascript } from "@codemirror/lang-javascript";
import { bracketMatching, HighlightStyle, indentOnInput, indentUnit, syntaxHighlighting } from "@codemirror/language";
import { lintGutter, lintKeymap, setDiagnostics, type Diagnostic } from "@codemirror/lint";
import { highlightSelectionMatches, search, searchKeymap } from "@codemirror/search";
import {
  EditorState,
  RangeSet,
  StateEffect,
  StateField,
  type Extension,
  type StateEffectType,
} from "@codemirror/state";
import {
  Decoration,
  drawSelection,
  EditorView,
  GutterMarker,
  gutter,
  highlightActiveLine,
  highlightActiveLineGutter,
  keymap,
  lineNumbers,
} from "@codemirror/view";
import { tags } from "@lezer/highlight";
import type { JsonDiagnostic } from "../../../compiler/diagnostics/render.ts";
import type { Link } from "./link.ts";

export interface Editor {
  readonly text: string;
  /** Puts another program in its place. */
  load(text: string): void;
  show(diagnostics: readonly JsonDiagnostic[]): void;
  /** How often each line ran, and those of the last event; undefined: nothing is to be shown. */
  ran(counts: Readonly<Record<number, number>> | undefined, last: readonly number[]): void;
  /** Goes to a line, and gets the keys. */
  goTo(line: number, column?: number): void;
}

const linkedLine = StateEffect.define<number | undefined>();
interface Ran {
  readonly counts: Readonly<Record<number, number>>;
  readonly last: ReadonlySet<number>;
}
const ranLines = StateEffect.define<Ran | undefined>();

/** A value that an effect sets, and that an edit of the text forgets. */
const field = <T>(effect: StateEffectType<T | undefined>): StateField<T | undefined> =>
  StateField.define<T | undefined>({
    create: () => undefined,
    update(value, transaction) {
      for (const one of transaction.effects) if (one.is(effect)) return one.value;
      return transaction.docChanged ? undefined : value;
    },
  });
const linked = field(linkedLine);
const ran = field(ranLines);

const classes = (name: string) => Decoration.line({ class: name });
const marks = EditorView.decorations.compute([linked, ran], (state) => {
  const at = state.field(linked);
  const last = state.field(ran)?.last ?? new Set<number>();
  const lines = [...new Set([...last, ...(at === undefined ? [] : [at])])].filter((line) => line <= state.doc.lines);
  return Decoration.set(
    lines
      .sort((a, b) => a - b)
      .map((line) =>
        classes([line === at ? "cm-linked" : "", last.has(line) ? "cm-ran" : ""].join(" ").trim()).range(
          state.doc.line(line).from,
        ),
      ),
  );
});

class Count extends GutterMarker {
  readonly #count: number;
  constructor(count: number) {
    super();
    this.#count = count;
    this.elementClass = count > 0 ? "ran" : "never";
  }
  override elementClass: string;
  override toDOM(): Text {
    return document.createTextNode(this.#count > 999 ? "999+" : String(this.#count));
  }
}
const counts = gutter({
  class: "cm-counts",
  markers(view) {
    const found = view.state.field(ran);
    if (!found) return RangeSet.empty;
    const { doc } = view.state;
    const lines = Object.keys(found.counts)
      .map(Number)
      .filter((line) => line <= doc.lines)
      .sort((a, b) => a - b);
    return RangeSet.of(lines.map((line) => new Count(found.counts[line]!).range(doc.line(line).from)));
  },
});

const colours = HighlightStyle.define([
  { tag: [tags.keyword, tags.modifier, tags.operatorKeyword, tags.controlKeyword], color: "var(--keyword)" },
  { tag: [tags.string, tags.special(tags.string), tags.regexp], color: "var(--string)" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--number)" },
  { tag: [tags.comment], color: "var(--muted)", fontStyle: "italic" },
  { tag: [tags.typeName, tags.className], color: "var(--type)" },
  { tag: [tags.function(tags.variableName), tags.function(tags.propertyName)], color: "var(--function)" },
]);

export interface EditorOptions {
  readonly parent: HTMLElement;
  readonly link: Link;
  readonly changed: () => void;
  /** Ctrl-Enter. */
  readonly run: () => void;
  readonly more?: Extension;
}

export function createEditor({ parent, link, changed, run, more = [] }: EditorOptions): Editor {
  const self = {};
  /** The line under the pointer, else that of the cursor. */
  const point = (view: EditorView, event?: MouseEvent): void => {
    const at = event ? view.posAtCoords({ x: event.clientX, y: event.clientY }) : view.state.selection.main.head;
    const line = at === null ? undefined : view.state.doc.lineAt(at).number;
    view.dispatch({ effects: linkedLine.of(line) });
    link.point(line, self);
  };
  const extensions: Extension = [
    lineNumbers(),
    counts,
    lintGutter(),
    history(),
    drawSelection(),
    indentOnInput(),
    bracketMatching(),
    highlightActiveLine(),
    highlightActiveLineGutter(),
    highlightSelectionMatches(),
    search({ top: true }),
    javascript({ typescript: true }),
    syntaxHighlighting(colours),
    indentUnit.of("  "),
    EditorView.contentAttributes.of({ "aria-label": "Source, TypeScript. Tab leaves the editor." }),
    keymap.of([
      { key: "Mod-Enter", run: () => (run(), true) },
      ...defaultKeymap,
      ...historyKeymap,
      ...searchKeymap,
      ...lintKeymap,
    ]),
    linked,
    ran,
    marks,
    more,
    EditorView.updateListener.of((update) => {
      if (update.docChanged) changed();
      else if (update.selectionSet) setTimeout(() => point(update.view));
    }),
    EditorView.domEventHandlers({
      mousemove: (event, view) => void point(view, event),
      mouseleave: (_, view) => {
        view.dispatch({ effects: linkedLine.of(undefined) });
        link.point(undefined, self);
      },
    }),
  ];
  const view = new EditorView({ parent, state: EditorState.create({ extensions }) });
  const offset = (line: number, column: number): number => {
    const found = view.state.doc.line(Math.min(Math.max(line, 1), view.state.doc.lines));
    return Math.min(found.from + Math.max(column, 1) - 1, found.to);
  };
  link.follow(self, (line) => {
    const effects = [linkedLine.of(line)];
    const inside = line !== undefined && line <= view.state.doc.lines;
    view.dispatch({
      effects: inside
        ? [...effects, EditorView.scrollIntoView(offset(line, 1), { y: "nearest", yMargin: 40 })]
        : effects,
    });
  });

  return {
    get text() {
      return view.state.doc.toString();
    },
    load(text) {
      view.setState(EditorState.create({ doc: text, extensions }));
      changed();
    },
    show(diagnostics) {
      const shown = diagnostics.flatMap((one): Diagnostic[] => {
        if (one.line === undefined || one.column === undefined) return [];
        const from = offset(one.line, one.column);
        const to = Math.max(offset(one.endLine ?? one.line, one.endColumn ?? one.column), from);
        const help = one.help === undefined ? "" : `\nhelp: ${one.help}`;
        const severity = one.severity === "error" ? "error" : "warning";
        const fix = one.fix;
        const actions = fix
          ? [
              {
                name: fix.title,
                apply: (target: EditorView) =>
                  target.dispatch({
                    changes: fix.edits.map((edit) => ({
                      from: offset(edit.line, edit.column),
                      to: offset(edit.endLine, edit.endColumn),
                      insert: edit.text,
                    })),
                  }),
              },
            ]
          : [];
        return [{ from, to, severity, source: one.key, message: `${one.message}${help}`, actions }];
      });
      view.dispatch(setDiagnostics(view.state, shown));
    },
    ran(found, last) {
      view.dispatch({ effects: ranLines.of(found && { counts: found, last: new Set(last) }) });
    },
    goTo(line, column = 1) {
      const at = offset(line, column);
      view.dispatch({ selection: { anchor: at }, effects: EditorView.scrollIntoView(at, { y: "center" }) });
      view.focus();
    },
  };
}
