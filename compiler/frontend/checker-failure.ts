/** TypeScript's checker ends with an error of its own on some texts that are no programs: two members of one name, say. */

export const isCheckerFailure = (error: unknown): error is Error =>
  error instanceof Error && error.message.startsWith("Debug Failure");

/** What the checker answers; undefined where it fails. Other errors are thrown on. */
export function unlessCheckerFails<T>(ask: () => T): T | undefined {
  try {
    return ask();
  } catch (error) {
    if (isCheckerFailure(error)) return undefined;
    throw error;
  }
}
