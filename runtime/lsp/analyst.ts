/** The thread that does the slow part. Questions wait for each other; of those about one file the latest counts. */
import { parentPort, type Worker } from "node:worker_threads";
import { whole, type Question, type Whole } from "./requests.ts";

/** Answers undefined where a later question about the same file came in between. */
export type Analyst = (question: Question) => Promise<Whole | undefined>;

interface Waiting {
  readonly question: Question;
  readonly answer: (whole: Whole | undefined) => void;
}

/** An analyst with a thread of its own, which is made for the first question, and anew when it has failed. */
export function threadAnalyst(make: () => Worker): Analyst {
  let worker: Worker | undefined;
  let busy: Waiting | undefined;
  const waiting = new Map<string, Waiting>();

  const next = (): void => {
    const [first] = waiting;
    if (busy || !first) return;
    waiting.delete(first[0]);
    busy = first[1];
    worker ??= start();
    worker.postMessage(busy.question);
  };
  const done = (answer: Whole | undefined): void => {
    const { answer: give } = busy ?? {};
    busy = undefined;
    give?.(answer);
    next();
  };
  const start = (): Worker => {
    const made = make();
    // What the command prints must not get between the messages on standard output.
    made.stdout.resume();
    made.on("message", done);
    made.on("error", () => {
      worker = undefined;
      done(undefined);
    });
    made.unref();
    return made;
  };
  return (question) =>
    new Promise((resolve) => {
      waiting.get(question.entry.path)?.answer(undefined);
      waiting.set(question.entry.path, { question, answer: resolve });
      next();
    });
}

/** The other side, in the thread. */
export function answerQuestions(): void {
  parentPort!.on("message", (question: Question) => parentPort!.postMessage(whole(question)));
}
