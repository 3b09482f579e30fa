/** Waiting for Ctrl-C, SIGTERM, a closed terminal, lost output, or a time to pass; whichever comes first. */
import { ignoresHangUp } from "./hang-up.ts";
import { onOutputFailure } from "./output.ts";

/** Those that end a process unless it listens, and that people and machines send. SIGKILL cannot be heard. */
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGALRM", "SIGUSR2", "SIGXCPU"] as const;

/**
 * Runs `body`, which awaits `stopped` when it has nothing left to set up. Signals that come before are kept, and those
 * that come while `body` cleans up do not cut it short. When `body` ends, also by an error, nothing keeps the process.
 */
export async function untilStopped<T>(
  seconds: number | undefined,
  body: (stopped: Promise<void>) => Promise<T>,
): Promise<T> {
  let stop: () => void = () => undefined;
  const stopped = new Promise<void>((resolve) => (stop = resolve));
  const signals = SIGNALS.filter((signal) => signal !== "SIGHUP" || !ignoresHangUp());
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
