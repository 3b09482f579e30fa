/** `tsbpf playground`: the playground's files on localhost. They need no server of ours: any host of static files does. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { extname } from "node:path";
import { trouble } from "../files/files.ts";
import { asset, assetsIn } from "./assets.ts";
import { out, say } from "./output.ts";
import { untilStopped } from "./stop.ts";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".bin": "application/octet-stream",
};
const HOST = "127.0.0.1";

export interface PlaygroundOptions {
  readonly port: number;
}

/** By the path in the address: there is nothing else to be had, whatever is asked for. */
function files(): ReadonlyMap<string, { readonly body: Buffer; readonly type: string }> {
  const found = new Map(
    assetsIn("playground").map((name) => {
      const type = TYPES[extname(name)] ?? "application/octet-stream";
      return [`/${name}`, { body: asset(`playground/${name}`), type }] as const;
    }),
  );
  return found.set("/", found.get("/index.html")!);
}

function serve(): Server {
  const known = files();
  return createServer((request, response) => {
    const file = known.get((request.url ?? "").replace(/[?#].*$/s, ""));
    const common = { "Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff" };
    if (request.method !== "GET" && request.method !== "HEAD")
      response.writeHead(405, { ...common, Allow: "GET, HEAD" }).end();
    else if (!file) response.writeHead(404, { ...common, "Content-Type": "text/plain" }).end("there is no such page\n");
    else {
      response.writeHead(200, { ...common, "Content-Type": file.type, "Content-Length": file.body.length });
      response.end(request.method === "HEAD" ? undefined : file.body);
    }
  });
}

/** Serves until Ctrl-C. Port 0: any that is free. */
export function playground({ port }: PlaygroundOptions): Promise<number> {
  return untilStopped(undefined, async (stopped) => {
    const server = serve();
    await new Promise<void>((resolve, reject) => {
      server.once("error", (error: NodeJS.ErrnoException) =>
        reject(
          trouble(
            "cannot-listen",
            `cannot listen on port ${port}: ${error.message}`,
            "choose another one: --port 0 takes any",
          ),
        ),
      );
      server.listen(port, HOST, resolve);
    });
    out(`http://${HOST}:${(server.address() as AddressInfo).port}/`);
    say("The playground is there until Ctrl-C.");
    await stopped;
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    return 0;
  });
}
