/** SIGHUP, which says that the terminal is closed: whoever started the command with nohup(1) wants it to go on. */

let ignored = false;
/** Whether it is to be ignored, as it was before Node started. */
export const ignoresHangUp = (): boolean => ignored;

/** Ignores it where the launcher has found that it was ignored (bin/tsbpf). Once per process. */
export function keepHangUp(): void {
  if (!process.env["TSBPF_NO_HANG_UP"]) return;
  ignored = true;
  delete process.env["TSBPF_NO_HANG_UP"];
  // Node has set every signal back to its default.
  process.on("SIGHUP", () => undefined);
}
