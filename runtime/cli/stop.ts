/** Waiting for Ctrl-C, SIGTERM, a closed terminal, lost output, or a time to pass; whichever comes first. */
import { ignoresHangUp } from "./hang-up.ts";
import { onOutputFailure } from "./output.ts";

/**
 * Those that end a process unless it listens, and that people and machines send; on SIGUSR1 Node would open a debugger to
 * every user of the machine. SIGKILL cannot be heard.
 */
const SIGNALS = [
  "SIGINT",
  "SIGTERM",
  "SIGHUP",
  "SIGQUIT",
  "SIGALRM",
  "SIGUSR1",
  "SIGUSR2",
  "SIGXCPU",
  "SIGVTALRM",
  "SIGIO",
  "SIGPWR",
] as const;
const heard = (): readonly (typeof SIGNALS)[number][] =>
  SIGNALS.filter((signal) => signal !== "SIGHUP" || !ignoresHangUp());

/**
 * Runs `body`, which awaits `stopped` when it has nothing left to set up. Signals that come before are kept, and those
 * that come while `body` cleans up do not cut it short. When `body` ends, also by an error, nothing keeps the process.
 * `but`: a signal that has another meaning, which the caller listens to.
 */
export async function untilStopped<T>(
  seconds: number | undefined,
  body: (stopped: Promise<void>) => Promise<T>,
  but?: NodeJS.Signals,
): Promise<T> {
  let stop: () => void = () => undefined;
  const stopped = new Promise<void>((resolve) => (stop = resolve));
  const signals = heard().filter((signal) => signal !== but);
  for (const signal of signals) process.on(signal, stop);
  // A pending timer is also what keeps the process alive while nothing else does.
  const cancel = after(seconds === undefined ? Infinity : seconds * 1000, stop);
  const forget = onOutputFailure(stop);
  try {
    return await body(stopped);
  } finally {
    cancel();
    forget();
    for (const signal of signals) process.off(signal, stop);
  }
}

/**
 * Runs `body` with signals kept until it asks for them: its steps are taken to their end. What `body` gets resolves to the
 * first one, undefined when there was none. They stay kept when it has ended: what has been told is then also what the exit code says.
 */
export function uninterrupted<T>(body: (signal: () => Promise<NodeJS.Signals | undefined>) => Promise<T>): Promise<T> {
  const signals = heard();
  let first: NodeJS.Signals | undefined;
  const keep = (signal: NodeJS.Signals): void => void (first ??= signal);
  for (const signal of signals) process.on(signal, keep);
  // Node hears of them between two turns of its loop.
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return body(() =>
    turn()
      .then(turn)
      .then(() => first),
  );
}

/** Node's timers go to 2^31 - 1 ms and fire at once beyond; longer times are waited for in parts. */
const LONGEST = 2 ** 31 - 1;

/** Calls back after that many milliseconds; returns what cancels it. */
export function after(ms: number, call: () => void): () => void {
  const end = performance.now() + ms;
  let timer: NodeJS.Timeout;
  const wait = (): void => {
    const left = end - performance.now();
    timer = left > LONGEST ? setTimeout(wait, LONGEST) : setTimeout(call, Math.max(left, 0));
  };
  wait();
  return () => clearTimeout(timer);
}

/** Takes all steps, newest first, whatever goes wrong in one; throws the first error at the end. */
export function endAll(steps: readonly (() => void)[]): void {
  let failed: { readonly error: unknown } | undefined;
  for (const step of steps.toReversed()) {
    try {
      step();
    } catch (error) {
      failed ??= { error };
    }
  }
  if (failed) throw failed.error;
}
