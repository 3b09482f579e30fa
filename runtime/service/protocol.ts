/**
 * What goes over the control socket: one request and one reply for each connection, a line of JSON each. The socket is
 * root's, in a folder of root's; what comes over it is believed no more for that.
 */

/** Bounds for what a client may do. */
export const BOUNDS = {
  requestBytes: 65_536,
  /** Connections at a time; those beyond are told so. */
  clients: 16,
  /** So many, those who are being told so included; the rest is hung up on. */
  refused: 64,
  /** From the connection to the end of its request. */
  requestMs: 5_000,
  /** From the reply to its end: who does not read it goes without. */
  replyMs: 5_000,
} as const;

export type Request =
  | { readonly command: "list" }
  | { readonly command: "show"; readonly name: string }
  | { readonly command: "reload" }
  /** `detach`: also what the service would leave attached. */
  | { readonly command: "stop"; readonly detach: boolean };

export interface ReplyError {
  readonly key: string;
  readonly message: string;
  readonly help?: string | undefined;
  readonly log?: string | undefined;
}
export type Reply = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly error: ReplyError };

/** A program of the service at a place, as `list` tells of it. */
export interface Listed {
  readonly name: string;
  /** Its name in the file of the service. */
  readonly program: string;
  readonly file: string;
  readonly backend: "kernel" | "netlink";
  readonly state: "attached" | "managing" | "waiting";
  /** Where, for people: a cgroup's path, "netns NAME", or the names of what is registered. */
  readonly at: string;
  /** Of the object: the same program has the same. */
  readonly digest: string;
  readonly since: string;
}
export interface Shown extends Listed {
  readonly params: Readonly<Record<string, string>>;
  /** Of programs in the kernel. */
  readonly programs?: readonly { readonly name: string; readonly id: number }[];
  readonly pins?: string;
  /** Of path managers over netlink. */
  readonly sessions?: number;
  readonly counts?: Readonly<Record<string, number>>;
}
export interface ListReply {
  readonly pid: number;
  readonly file: string;
  readonly keep: boolean;
  readonly since: string;
  readonly programs: readonly Listed[];
}
/** Names of what a reload has done. */
export interface ReloadReply {
  readonly added: readonly string[];
  readonly replaced: readonly string[];
  readonly removed: readonly string[];
  readonly same: readonly string[];
}

/** A request out of what came, or what is wrong with it. */
export function requestIn(text: string): Request | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return "the request is no JSON";
  }
  if (typeof value !== "object" || value === null) return "the request is no object";
  const { command, name, detach } = value as Readonly<Record<string, unknown>>;
  switch (command) {
    case "list":
    case "reload":
      return { command };
    case "show":
      return typeof name === "string" ? { command, name } : "show takes a name";
    case "stop":
      return { command, detach: detach === true };
    default:
      return "the commands are list, show, reload and stop";
  }
}
