/** Asking a service. */
import { createConnection } from "node:net";
import { RuntimeError, type RuntimeErrorKey } from "../kernel/errors.ts";
import type { Reply, Request } from "./protocol.ts";

/** More than any reply: whoever listens there is not believed to end. */
const LARGEST_REPLY = 64 * 1024 * 1024;

/** What is answered at once; a reload takes the time of its programs. */
const PROMPT: ReadonlySet<Request["command"]> = new Set(["list", "show"]);
const PATIENCE_SECONDS = 10;

/** The value of the reply. Throws RuntimeError: what the service says is wrong, or that there is none. */
export async function ask(path: string, request: Request): Promise<unknown> {
  const reply = await new Promise<string>((resolve, reject) => {
    const parts: Buffer[] = [];
    let length = 0;
    const socket = createConnection(path, () => socket.write(`${JSON.stringify(request)}\n`));
    const late = (): void => {
      reject(notInTime(path));
      socket.destroy();
    };
    const timer = PROMPT.has(request.command) ? setTimeout(late, 1000 * PATIENCE_SECONDS) : undefined;
    socket.on("data", (chunk) => {
      parts.push(chunk);
      length += chunk.length;
      if (length > LARGEST_REPLY) socket.destroy(new Error("the reply does not end"));
    });
    socket.on("error", (error: NodeJS.ErrnoException) => reject(noService(path, error)));
    socket.on("close", () => clearTimeout(timer));
    socket.on("close", () => resolve(Buffer.concat(parts).toString("utf8")));
  });
  const said = replyIn(reply);
  if (!said)
    throw new RuntimeError("ended", `the service at ${path} has ended before it replied`, {
      help: "its log says why (journalctl -u tsbpf)",
    });
  if (said.ok) return said.value;
  const { key, message, help, log } = said.error;
  throw new RuntimeError(key as RuntimeErrorKey, message, { help, ...(log === undefined ? {} : { log }) });
}

/** Undefined where it is none: nobody has written it to its end, or somebody else listens there. */
function replyIn(text: string): Reply | undefined {
  try {
    const value = JSON.parse(text) as Partial<Record<"ok" | "error", unknown>> | null;
    const isError = typeof value?.error === "object" && value.error !== null;
    return value?.ok === true || (value?.ok === false && isError) ? (value as Reply) : undefined;
  } catch {
    return undefined;
  }
}

const notInTime = (path: string): RuntimeError =>
  new RuntimeError("in-use", `the service at ${path} has not replied within ${PATIENCE_SECONDS} seconds`, {
    help: "it is stopped, or very busy (a reload, many sessions): systemctl status tsbpf; try again",
  });

function noService(path: string, { code, message }: NodeJS.ErrnoException): RuntimeError {
  if (code === "EACCES" || code === "EPERM")
    return new RuntimeError("not-permitted", `not permitted to ask the service at ${path}`, { help: "run as root" });
  const isAbsent = code === "ENOENT" || code === "ECONNREFUSED";
  return new RuntimeError("not-found", `no service answers at ${path}${isAbsent ? "" : `: ${code ?? message}`}`, {
    help: "tsbpf serve FILE starts one; --socket PATH names another",
  });
}
