/** The checker's frequent errors in the language's words. */
import { ts } from "ts-morph";
import type { ParsedFile } from "./project.ts";

export interface Words {
  readonly message: string;
  readonly help?: string;
}

/** Message and help for an error of the checker; its own text where we have nothing better. */
export function reworded(file: ParsedFile, found: ts.Diagnostic, text: string): Words {
  const source = file.source.text.slice(found.start ?? 0, (found.start ?? 0) + (found.length ?? 0));
  void source;
  return { message: text };
}
