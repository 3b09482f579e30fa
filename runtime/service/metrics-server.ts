/** The numbers of a service over HTTP, at /metrics. No client can make it wait, grow or end. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { systemError } from "../kernel/places.ts";
import { contentType, exposition, type Collected, type Format } from "../metrics/text.ts";
import { freeSocketPath } from "./control-server.ts";
import type { ListenAt } from "./target.ts";

export interface MetricsServer {
  /** As Prometheus would be told of it, or the path of the socket. */
  readonly at: string;
  close(): Promise<void>;
}

const BOUNDS = { clients: 16, ms: 5_000, headerBytes: 8_192, requestsPerClient: 1_000 } as const;
/** What was collected is given to all who ask within that time. */
const FRESH_MS = 500;
/** The text of Prometheus unless OpenMetrics is asked for. */
const formatFor = (accept: string | undefined): Format =>
  accept?.includes("application/openmetrics-text") ? "openmetrics" : "prometheus";

/** Listens; throws RuntimeError where it cannot. `failed`: something went wrong with an answer. */
export async function serveMetrics(
  listen: ListenAt,
  collect: () => Collected,
  failed: (error: unknown) => void,
): Promise<MetricsServer> {
  let last: { readonly at: number; readonly collected: Collected } | undefined;
  const fresh = (): Collected => {
    const now = performance.now();
    if (!last || now - last.at > FRESH_MS) last = { at: now, collected: collect() };
    return last.collected;
  };
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = request.url?.split("?")[0];
    if (request.method !== "GET" && request.method !== "HEAD")
      return void response.writeHead(405, { allow: "GET, HEAD" }).end("GET /metrics\n");
    if (path !== "/metrics") return void response.writeHead(404).end("the numbers are at /metrics\n");
    const format = formatFor(request.headers.accept);
    try {
      const text = await exposition(fresh(), format);
      response.writeHead(200, { "content-type": contentType(format), "cache-control": "no-store" });
      response.end(request.method === "HEAD" ? undefined : text);
    } catch (error) {
      failed(error);
      response.writeHead(500).end("the service's log says what went wrong\n");
    }
  };
  const server = createServer(
    {
      maxHeaderSize: BOUNDS.headerBytes,
      requestTimeout: BOUNDS.ms,
      headersTimeout: BOUNDS.ms,
      connectionsCheckingInterval: 1_000,
    },
    (request, response) => {
      // A body is not looked at.
      request.resume();
      response.setTimeout(BOUNDS.ms, () => response.destroy());
      void answer(request, response);
    },
  );
  server.maxConnections = BOUNDS.clients;
  server.maxRequestsPerSocket = BOUNDS.requestsPerClient;
  if ("path" in listen) freeSocketPath(listen.path);
  const where =
    "path" in listen ? listen.path : `${listen.host.includes(":") ? `[${listen.host}]` : listen.host}:${listen.port}`;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => reject(systemError(error, `listening for metrics at ${where}`)));
    // Of a Unix socket: root and its group, as the folder lets them in.
    const before = process.umask(0o117);
    try {
      server.listen(listen, resolve);
    } finally {
      process.umask(before);
    }
  });
  server.on("error", failed);
  const address = server.address() as AddressInfo | string;
  return {
    at: typeof address === "string" ? address : `http://${where.replace(/\d+$/, String(address.port))}/metrics`,
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}
