/** What a command prints, as it does. */
export function listening(): { readonly text: () => string; readonly end: () => void } {
  const write = process.stdout.write;
  let said = "";
  process.stdout.write = (chunk: string | Uint8Array, encoding?: unknown, written: unknown = encoding) => {
    said += String(chunk);
    // Who waits until it is told may go on.
    if (typeof written === "function") queueMicrotask(written as () => void);
    return true;
  };
  return { text: () => said, end: () => void (process.stdout.write = write) };
}
