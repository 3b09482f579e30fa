/** `tsbpf lsp`: the language server on standard input and output. */
import { Worker } from "node:worker_threads";
import { createConnection, ProposedFeatures } from "vscode-languageserver/node.js";
import { answerQuestions, threadAnalyst } from "./analyst.ts";
import { server } from "./server.ts";

export interface LspOptions {
  /** This is the thread that a server has made. */
  readonly worker?: boolean;
}

/** Serves until the editor says that it is done, or is gone. */
export function lsp(options: LspOptions): Promise<number> {
  if (options.worker) {
    answerQuestions();
    return new Promise(() => undefined);
  }
  const connection = createConnection(ProposedFeatures.all, process.stdin, process.stdout);
  // The same command again, in a thread of its own.
  const thread = (): Worker => new Worker(process.argv[1]!, { argv: ["lsp", "--worker"], stdout: true });
  return new Promise((resolve) => {
    process.stdin.once("end", () => resolve(0));
    server(connection, threadAnalyst(thread));
    connection.listen();
  });
}
