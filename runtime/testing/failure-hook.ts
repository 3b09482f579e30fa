/** When a test fails, its error tells what the programs did before: which event, which line, what came back. */
import type { History } from "./history.ts";

interface FailedTask {
  readonly task: { readonly result?: { readonly errors?: { message?: string; stack?: string }[] } };
}
interface Vitest {
  readonly onTestFailed?: (run: (context: FailedTask) => void) => void;
}

/** Vitest's own hook, where there is a test running under vitest; anywhere else nothing happens. */
export async function tellOnFailure(history: History): Promise<void> {
  if (process.env["VITEST"] === undefined) return;
  try {
    const { onTestFailed } = (await import("vitest")) as unknown as Vitest;
    onTestFailed?.(({ task }) => {
      const [error] = task.result?.errors ?? [];
      if (!error || history.entries.length === 0) return;
      const words = `\n\nwhat the programs did before that:\n${history.tell()}`;
      if (!error.message?.includes(words)) error.message = `${error.message ?? ""}${words}`;
    });
  } catch {
    // Outside of a test (in beforeAll, say) there is nothing to hook into.
  }
}
