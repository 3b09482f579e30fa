/** What a command prints, as it does. */
export function listening(): { readonly text: () => string; readonly end: () => void } {
  const write = process.stdout.write;
  let said = "";
  process.stdout.write = (chunk: string | Uint8Array) => {
    said += String(chunk);
    return true;
  };
  return { text: () => said, end: () => void (process.stdout.write = write) };
}
