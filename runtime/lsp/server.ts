/** What the editor asks, answered from the latest of each open program. */
import { fileURLToPath } from "node:url";
import {
  CodeActionKind,
  InlayHintKind,
  MarkupKind,
  TextDocuments,
  TextDocumentSyncKind,
  type CodeAction,
  type CodeLens,
  type Connection,
  type Diagnostic as Shown,
  type InitializeResult,
  type InlayHint,
} from "vscode-languageserver";
import { TextDocument } from "vscode-languageserver-textdocument";
import { version } from "../../compiler/version.generated.ts";
import type { Analyst } from "./analyst.ts";
import { hints } from "./hints.ts";
import { hover } from "./hover.ts";
import { costs } from "./lens.ts";
import { isProgram } from "./program-files.ts";
import { current, movedSpan, type Known } from "./programs.ts";
import { quick, type Question } from "./requests.ts";
import { offsetAt, rangeOf } from "./text-lines.ts";
import { action, isTypeScripts, linesOf, shown, uriOf } from "./to-protocol.ts";

/** From the last key to the errors of the language: the pause that is waited for, in milliseconds. */
const QUICK_DELAY = 60;
/** The same for all the rest. */
const WHOLE_DELAY = 250;

/** What the client may say when it starts the server. */
interface Settings {
  /** Report what TypeScript's checker finds, too: for editors that have no TypeScript server beside this one. */
  readonly typescriptErrors?: boolean;
}

interface Program extends Known {
  readonly uri: string;
  readonly path: string;
  readonly timers: NodeJS.Timeout[];
  /** Its text, or that of a file that it imports, has changed since it was looked at. */
  stale: boolean;
  /** What was published for it, by the file's URI. */
  published: ReadonlyMap<string, readonly Shown[]>;
}

/** Answers a connection until it ends. `analyst` does the slow part. */
export function server(connection: Connection, analyst: Analyst): void {
  const documents = new TextDocuments(TextDocument);
  const programs = new Map<string, Program>();
  let settings: Settings = {};
  /** The client asks for code lenses anew when it is told to. */
  let refreshes = false;

  function question({ uri, path }: Program): Question {
    const open = new Map<string, string>();
    for (const one of documents.all()) if (one.uri.startsWith("file:")) open.set(fileURLToPath(one.uri), one.getText());
    return { entry: { path, text: documents.get(uri)?.getText() ?? "" }, open };
  }

  /** Looks at a program when its editor has paused, and once more, at everything, when it pauses longer. */
  function schedule(program: Program): void {
    program.timers.splice(0).forEach(clearTimeout);
    const later = (delay: number, run: () => void): void => void program.timers.push(setTimeout(run, delay));
    program.stale = true;
    later(QUICK_DELAY, () => publish(refreshed(program)));
    later(WHOLE_DELAY, () => {
      void analyst(question(program)).then((answer) => {
        if (!answer || programs.get(program.uri) !== program) return;
        program.whole = answer;
        publish(program);
        if (refreshes) void connection.sendRequest("workspace/codeLens/refresh");
      });
    });
  }

  /** The program with what the frontend says of this moment's text: who asks between two looks must not get yesterday's answer. */
  function refreshed(program: Program): Program {
    if (program.stale) program.quick = quick(question(program));
    program.stale = false;
    return program;
  }

  function publish(program: Program): void {
    const { sources } = program.quick ?? program.whole ?? { sources: [] };
    const lines = linesOf(sources);
    const found = new Map<string, Shown[]>(sources.map((source) => [uriOf(source.path), []]));
    for (const one of current(program)) {
      if (isTypeScripts(one) && !settings.typescriptErrors) continue;
      const span = one.span ?? { file: 0, start: 0, end: 0 };
      found.get(uriOf(sources[span.file]!.path))?.push(shown(one, span, sources, lines));
    }
    send(program, found);
  }

  /** A file that several programs import shows what each of them says of it, once. */
  function send(program: Program, found: ReadonlyMap<string, readonly Shown[]>): void {
    const uris = new Set([...program.published.keys(), ...found.keys()]);
    program.published = found;
    for (const uri of uris) {
      const all = [...programs.values()].flatMap((one) => one.published.get(uri) ?? []);
      const once = new Map(all.map((one) => [JSON.stringify([one.range, one.code, one.message]), one]));
      void connection.sendDiagnostics({ uri, diagnostics: [...once.values()] });
    }
  }

  connection.onInitialize(({ initializationOptions, capabilities }): InitializeResult => {
    refreshes = capabilities.workspace?.codeLens?.refreshSupport ?? false;
    settings = (initializationOptions as Settings | undefined) ?? {};
    return {
      serverInfo: { name: "tsbpf", version },
      capabilities: {
        textDocumentSync: TextDocumentSyncKind.Incremental,
        codeActionProvider: { codeActionKinds: [CodeActionKind.QuickFix] },
        hoverProvider: true,
        codeLensProvider: {},
        inlayHintProvider: true,
      },
    };
  });

  // Told when a document is opened, too.
  documents.onDidChangeContent(({ document }) => {
    const { uri } = document;
    if (!uri.startsWith("file:")) return;
    const known = programs.get(uri);
    if (isProgram(document.getText())) {
      if (!known) programs.set(uri, { uri, path: fileURLToPath(uri), timers: [], stale: true, published: new Map() });
    } else if (known) forget(known);
    // Those that import it, and itself.
    for (const program of programs.values()) if (concerns(program, uri)) schedule(program);
  });
  documents.onDidClose(({ document }) => {
    const program = programs.get(document.uri);
    if (program) forget(program);
  });

  /** Whether a file is the program, or was a part of it when it was last looked at. */
  const concerns = (program: Program, uri: string): boolean =>
    program.uri === uri || (program.quick?.sources.some((source) => uriOf(source.path) === uri) ?? false);

  function forget(program: Program): void {
    program.timers.forEach(clearTimeout);
    programs.delete(program.uri);
    send(program, new Map());
  }

  connection.onCodeAction(({ textDocument, range, context }): CodeAction[] => {
    if (context.only && !context.only.some((kind) => kind === CodeActionKind.QuickFix || kind === "")) return [];
    return [...programs.values()].flatMap((program) => {
      if (!concerns(program, textDocument.uri)) return [];
      const { sources } = refreshed(program).quick ?? { sources: [] };
      const file = sources.findIndex((source) => uriOf(source.path) === textDocument.uri);
      const lines = linesOf(sources);
      const text = lines(file);
      if (!text) return [];
      const [start, end] = [offsetAt(text, range.start), offsetAt(text, range.end)];
      return current(program).flatMap((one) => {
        const touches = one.span?.file === file && one.span.start <= end && one.span.end >= start;
        return (touches && action(one, sources, lines)) || [];
      });
    });
  });

  /** The open programs that a file is or was a part of, as they are now. */
  const about = (uri: string): Program[] =>
    [...programs.values()].filter((program) => concerns(program, uri)).map(refreshed);

  connection.onHover(({ textDocument, position }) => {
    const document = documents.get(textDocument.uri);
    if (!document) return null;
    const path = fileURLToPath(document.uri);
    const texts = about(document.uri).flatMap((program) => hover(program, path, document.offsetAt(position)) ?? []);
    const value = [...new Set(texts)].join("\n\n---\n\n");
    return value === "" ? null : { contents: { kind: MarkupKind.Markdown, value } };
  });

  connection.onCodeLens(({ textDocument }): CodeLens[] =>
    about(textDocument.uri).flatMap(({ quick: now, whole: all }) => {
      if (!now || !all) return [];
      const file = now.sources.findIndex((source) => uriOf(source.path) === textDocument.uri);
      const lines = linesOf(now.sources);
      return costs(all).flatMap(({ at, text }) => {
        // Of the text that was; it moves with its line until the next one is known.
        const here = movedSpan(at, all.sources, now.sources);
        return here?.file === file
          ? [{ range: rangeOf(lines(file)!, here), command: { title: text, command: "" } }]
          : [];
      });
    }),
  );

  connection.languages.inlayHint.on(({ textDocument, range }): InlayHint[] => {
    const document = documents.get(textDocument.uri);
    const [program] = document ? about(document.uri) : [];
    if (!document || !program?.quick) return [];
    const [start, end] = [document.offsetAt(range.start), document.offsetAt(range.end)];
    return hints(program.quick, fileURLToPath(document.uri))
      .filter(({ offset }) => offset >= start && offset <= end)
      .map(({ offset, text }) => ({ position: document.positionAt(offset), label: text, kind: InlayHintKind.Type }));
  });

  documents.listen(connection);
}
