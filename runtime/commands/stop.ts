/** Waiting for Ctrl-C, SIGTERM, a closed terminal, or a time to pass; whichever comes first. */

/** Resolves with what ended the wait. A second signal does not cut the cleaning up short. */
export function untilStopped(seconds?: number): Promise<"signal" | "time"> {
  return new Promise((resolve) => {
    const stop = (): void => finish("signal");
    const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
    for (const signal of signals) process.on(signal, stop);
    // A pending timer is also what keeps the process alive while nothing else does.
    const timer = setTimeout(() => finish("time"), seconds === undefined ? 2 ** 31 - 1 : seconds * 1000);
    const finish = (why: "signal" | "time"): void => {
      clearTimeout(timer);
      resolve(why);
    };
  });
}
