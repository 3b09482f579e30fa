/** Waiting for Ctrl-C, SIGTERM, a closed terminal, or a time to pass; whichever comes first. */

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

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
  for (const signal of SIGNALS) process.on(signal, stop);
  // A pending timer is also what keeps the process alive while nothing else does.
  const timer = setTimeout(stop, seconds === undefined ? 2 ** 31 - 1 : seconds * 1000);
  try {
    return await body(stopped);
  } finally {
    clearTimeout(timer);
    for (const signal of SIGNALS) process.off(signal, stop);
  }
}
