/** Errors of one program among many. */
import { RuntimeError } from "../kernel/errors.ts";

/** Takes a step for one program of a service. What it throws has the program's name before its message. */
export function aboutOne<T>({ name }: { readonly name: string }, step: () => T): T {
  try {
    return step();
  } catch (error) {
    if (!(error instanceof RuntimeError)) throw error;
    const { key, message, help, errno, log } = error;
    throw new RuntimeError(key, `${name}: ${message}`, { help, errno, ...(log === undefined ? {} : { log }) });
  }
}
