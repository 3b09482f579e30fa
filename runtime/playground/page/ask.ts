/** Questions to the worker. Its file is compressed: hosts of static files as a rule do not do that themselves. */
import type { Answer, QuestionName, Questions } from "../protocol.ts";

export type Ask = <N extends QuestionName>(name: N, value: Questions[N]["asks"]) => Promise<Questions[N]["gives"]>;

interface Waiting {
  readonly resolve: (value: never) => void;
  readonly reject: (error: Error) => void;
}

/** Starts the worker; questions may be asked at once. */
export async function startWorker(): Promise<Ask> {
  const packed = await fetch(new URL("worker.bin", document.baseURI));
  if (!packed.ok || !packed.body) throw new Error(`the compiler cannot be loaded: ${packed.status}`);
  const code = await new Response(packed.body.pipeThrough(new DecompressionStream("gzip"))).blob();
  const worker = new Worker(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
  const waiting = new Map<number, Waiting>();
  let count = 0;
  worker.addEventListener("message", ({ data }: MessageEvent<Answer>) => {
    const one = waiting.get(data.id);
    waiting.delete(data.id);
    if ("problem" in data) one?.reject(new Error(data.problem));
    else one?.resolve(data.value as never);
  });
  worker.addEventListener("error", (event) => {
    for (const one of waiting.values()) one.reject(new Error(event.message));
    waiting.clear();
  });
  return (name, value) =>
    new Promise((resolve, reject) => {
      const id = ++count;
      waiting.set(id, { resolve, reject });
      worker.postMessage({ id, name, value });
    });
}
