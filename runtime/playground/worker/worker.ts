/** The thread of the page: compiler, verifier and virtual machine. One question after the other, each about the text that was compiled last. */
import { completionsAt, nameAt } from "../../../compiler/frontend/completions.ts";
import { declarations } from "../../../compiler/frontend/declarations.generated.ts";
import type { Answer, Asked, QuestionName, Questions } from "../protocol.ts";
import { compileText, PATH, passDifference, passSteps, warmUp, type Compilation } from "./compilation.ts";
import { examples } from "./examples.ts";
import { play } from "./play/play.ts";
import { verifiedPrograms } from "./verifier.ts";

let last: Compilation | undefined;
const current = (): Compilation => {
  if (!last) throw new Error("nothing has been compiled");
  return last;
};

const ANSWERS: { readonly [N in QuestionName]: (value: Questions[N]["asks"]) => Questions[N]["gives"] } = {
  examples: () => examples(),
  compile({ text, target }) {
    last = compileText(text, target);
    return last.report;
  },
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
  if (name === "compile" || name === "complete" || name === "hover") setTimeout(warmUp);
});
