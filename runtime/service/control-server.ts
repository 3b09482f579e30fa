/** The control socket of a service. No client can make it wait, grow or end: sizes, times and numbers are bounded. */
import { chmodSync, lstatSync, mkdirSync, unlinkSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { dirname } from "node:path";
import { unsafeOnWay } from "../kernel/claims.ts";
import { RuntimeError } from "../kernel/errors.ts";
import { systemError } from "../kernel/places.ts";
import { BOUNDS, requestIn, type Reply, type Request } from "./protocol.ts";

export interface ControlServer {
  /** Takes no more clients, lets the last replies out, and removes the socket. */
  close(): Promise<void>;
}

/** sun_path of struct sockaddr_un, with its zero. */
const LONGEST_PATH = 107;

/**
 * Listens at a path. The caller holds what says that no other process listens there, so that a socket that lies there is
 * one that was left. `handle` gives the value of a reply, or throws. Throws RuntimeError.
 */
export function serveControl(
  path: string,
  handle: (request: Request) => unknown,
  errorOf: (error: unknown) => Extract<Reply, { ok: false }>["error"],
): Promise<ControlServer> {
  freeSocketPath(path);
  const clients = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    clients.add(socket);
    socket.on("close", () => clients.delete(socket));
    // Who goes away in the middle has lost the reply, and nothing else.
    socket.on("error", () => socket.destroy());
    if (clients.size > BOUNDS.refused) return void socket.destroy();
    if (clients.size > BOUNDS.clients) return finish(socket, refusal("busy: too many clients at a time"));
    talk(socket, handle, errorOf);
  });
  return new Promise((resolve, reject) => {
    // Once it listens, an error is a client that could not be taken, as there is no descriptor left: the next may.
    server.on("error", (error) => reject(systemError(error, `listening at ${path}`)));
    // Nobody can connect between bind(2) and chmod(2).
    const before = process.umask(0o177);
    try {
      server.listen(path, () => {
        try {
          chmodSync(path, 0o600);
        } catch (error) {
          return reject(systemError(error, `setting the mode of ${path}`));
        }
        resolve({
          close: () =>
            new Promise((done) => {
              const last = setTimeout(() => clients.forEach((socket) => socket.destroy()), BOUNDS.replyMs);
              server.close(() => {
                clearTimeout(last);
                done();
              });
            }),
        });
      });
    } finally {
      process.umask(before);
    }
  });
}

const refusal = (message: string): Reply => ({ ok: false, error: { key: "bad-argument", message } });

function talk(
  socket: Socket,
  handle: (request: Request) => unknown,
  errorOf: (error: unknown) => Extract<Reply, { ok: false }>["error"],
): void {
  /** Single bytes are not copied each time one more comes. */
  const parts: Buffer[] = [];
  let length = 0;
  let isWhole = false;
  const late = setTimeout(() => {
    // What came while the service was busy is read first.
    setImmediate(() => {
      if (isWhole) return;
      socket.off("data", take);
      finish(socket, refusal("the request took too long"));
    });
  }, BOUNDS.requestMs);
  const take = (chunk: Buffer): void => {
    const at = chunk.indexOf("\n");
    const end = at < 0 ? -1 : length + at;
    parts.push(chunk);
    length += chunk.length;
    if (end < 0 && length <= BOUNDS.requestBytes) return;
    isWhole = true;
    socket.off("data", take);
    clearTimeout(late);
    // What else comes is read and dropped, so that a client that goes on writing hears the reply.
    socket.resume();
    if (end < 0 || end > BOUNDS.requestBytes)
      return finish(socket, refusal(`a request has ${BOUNDS.requestBytes} bytes at most`));
    void answer(Buffer.concat(parts).toString("utf8", 0, end)).then((reply) => finish(socket, reply));
  };
  const answer = async (line: string): Promise<Reply> => {
    const request = requestIn(line);
    if (typeof request === "string") return refusal(request);
    try {
      return { ok: true, value: await handle(request) };
    } catch (error) {
      return { ok: false, error: errorOf(error) };
    }
  };
  socket.on("data", take);
  socket.on("end", () => {
    // Without a whole line there is nothing to reply to.
    if (!isWhole) socket.destroy();
  });
  socket.on("close", () => clearTimeout(late));
}

/** Sends the reply, and lets go of the client whether it has read it or not. */
function finish(socket: Socket, reply: Reply): void {
  if (socket.destroyed) return;
  const slow = setTimeout(() => socket.destroy(), BOUNDS.replyMs);
  socket.on("close", () => clearTimeout(slow));
  socket.resume();
  // Both ends are over then, whatever the client still holds open.
  socket.end(`${JSON.stringify(reply)}\n`, () => setImmediate(() => socket.destroy()));
}

/** The folder of the socket, which nobody else may change, with nothing at its path. */
export function freeSocketPath(path: string): void {
  if (Buffer.byteLength(path) > LONGEST_PATH)
    throw new RuntimeError("bad-argument", `the path of the socket is too long: ${path}`, {
      help: `${LONGEST_PATH} bytes are the most`,
    });
  try {
    mkdirSync(dirname(path), { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw systemError(error, `making ${dirname(path)}`);
  }
  const unsafe = unsafeOnWay(path);
  if (unsafe !== undefined)
    throw new RuntimeError("not-permitted", `the socket would lie below ${unsafe}, which others may change`, {
      help: 'name one in a directory of root\'s: socket: "/run/tsbpf/serve.sock"',
    });
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (!found) return;
  if (!found.isSocket())
    throw new RuntimeError("bad-argument", `${path} is no socket`, { help: "name another path, or remove it" });
  unlinkSync(path);
}
