/** The thread of the page: compiler, verifier and virtual machine. One question after the other, each about the text that was compiled last. */
import { completionsAt, nameAt } from "../../../compiler/frontend/completions.ts";
import { declarations } from "../../../compiler/frontend/declarations.generated.ts";
import type { Answer, Asked, QuestionName, Questions } from "../protocol.ts";
import {
  compileText,
  draftText,
  PATH,
  passDifference,
  passSteps,
  warmUp,
  type Compilation,
  type DraftCompilation,
} from "./compilation.ts";
import { examples } from "./examples.ts";
import { play } from "./play/play.ts";
import { verifiedPrograms } from "./verifier.ts";

let last: Compilation | undefined;
/** A text that is newer than the last, of which there is a draft only. */
let newer: DraftCompilation | undefined;
const current = (): Compilation => {
  if (newer) last = newer.finish();
  newer = undefined;
  if (!last) throw new Error("nothing has been compiled");
  return last;
};

const ANSWERS: { readonly [N in QuestionName]: (value: Questions[N]["asks"]) => Questions[N]["gives"] } = {
  examples: () => examples(),
  compile({ text, target }) {
    newer = undefined;
    last = compileText(text, target);
    return last.report;
  },
  draft({ text, target }) {
    const made = draftText(text, last, target);
    newer = made;
    return made.report;
  },
  finish: () => current().report,
  complete: ({ text, offset }) => completionsAt({ path: PATH, text }, offset, declarations),
  hover: ({ text, offset }) => nameAt({ path: PATH, text }, offset, declarations),
  passes: () => passSteps(current()),
  difference: (step) => passDifference(current(), step),
  verify: () => verifiedPrograms(current().result),
  play(events) {
    const { module, object } = current().result;
    return module && object ? play(module, events) : { steps: [], help: [] };
  },
};

/** A worker's scope, as much of it as is used. */
interface Scope {
  postMessage(answer: Answer): void;
  addEventListener(type: "message", listener: (event: { readonly data: Asked }) => void): void;
}
const scope = globalThis as unknown as Scope;

scope.addEventListener("message", ({ data: { id, name, value } }) => {
  try {
    scope.postMessage({ id, value: ANSWERS[name](value as never) });
  } catch (error) {
    scope.postMessage({ id, problem: error instanceof Error ? error.message : String(error) });
  }
  // After the answer: nobody waits for it. What was ready has been used.
  if (name === "compile" || name === "draft" || name === "complete" || name === "hover") setTimeout(warmUp);
});
