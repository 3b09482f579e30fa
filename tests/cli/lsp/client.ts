/** A client of `tsbpf lsp`, as an editor is one. */
import { spawn, type ChildProcess } from "node:child_process";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import {
  createProtocolConnection,
  StreamMessageReader,
  StreamMessageWriter,
  type CodeAction,
  type Diagnostic,
  type ProtocolConnection,
  type TextEdit,
} from "vscode-languageserver-protocol/node.js";
import { root } from "../../programs.ts";

export interface Client {
  readonly connection: ProtocolConnection;
  /** Opens a file, or gives it another text. */
  show(path: string, text: string): void;
  /** Waits until what is shown of a file is as wanted; rejects when the server ends before. */
  until(path: string, wanted: (shown: readonly Diagnostic[]) => boolean): Promise<readonly Diagnostic[]>;
  actions(path: string, line: number, character: number): Promise<CodeAction[]>;
  /** Ends the server in order; resolves to its exit code. */
  end(): Promise<number | null>;
}

export async function client(initializationOptions: object = {}): Promise<Client> {
  const child: ChildProcess = spawn(join(root, "bin/tsbpf"), ["lsp", "--stdio"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  const connection = createProtocolConnection(
    new StreamMessageReader(child.stdout!),
    new StreamMessageWriter(child.stdin!),
  );
  const shown = new Map<string, readonly Diagnostic[]>();
  const waiting = new Set<() => void>();
  connection.onNotification("textDocument/publishDiagnostics", (told: { uri: string; diagnostics: Diagnostic[] }) => {
    shown.set(told.uri, told.diagnostics);
    for (const look of waiting) look();
  });
  connection.listen();
  await connection.sendRequest("initialize", {
    processId: process.pid,
    rootUri: null,
    capabilities: {},
    initializationOptions,
  });
  await connection.sendNotification("initialized", {});
  const versions = new Map<string, number>();
  const uriOf = (path: string): string => pathToFileURL(path).href;
  return {
    connection,
    show(path, text) {
      const uri = uriOf(path);
      const version = (versions.get(uri) ?? 0) + 1;
      versions.set(uri, version);
      shown.delete(uri);
      if (version === 1)
        void connection.sendNotification("textDocument/didOpen", {
          textDocument: { uri, languageId: "typescript", version, text },
        });
      else
        void connection.sendNotification("textDocument/didChange", {
          textDocument: { uri, version },
          contentChanges: [{ text }],
        });
    },
    until: (path, wanted) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const now = shown.get(uriOf(path));
          if (!now || !wanted(now)) return;
          waiting.delete(look);
          resolve(now);
        };
        waiting.add(look);
        look();
        void ended.then((code) => reject(new Error(`the server has ended: ${code}`)));
      }),
    actions: (path, line, character) =>
      connection.sendRequest("textDocument/codeAction", {
        textDocument: { uri: uriOf(path) },
        range: { start: { line, character }, end: { line, character } },
        context: { diagnostics: [] },
      }),
    async end() {
      await connection.sendRequest("shutdown");
      void connection.sendNotification("exit");
      return ended;
    },
  };
}

/** A text with an action's edits of one file. */
export function edited(text: string, edits: readonly TextEdit[]): string {
  const lines = text.split("\n");
  const offset = ({ line, character }: { line: number; character: number }): number =>
    lines.slice(0, line).reduce((sum, one) => sum + one.length + 1, 0) + character;
  return [...edits]
    .sort((a, b) => offset(b.range.start) - offset(a.range.start))
    .reduce(
      (now, { range, newText }) => now.slice(0, offset(range.start)) + newText + now.slice(offset(range.end)),
      text,
    );
}
