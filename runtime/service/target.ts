/** A program of a service at one place: what is wanted, whether it runs yet or not. */
import type { ObjectToLoad } from "../kernel/object-file.ts";
import { placeText, type Place } from "../kernel/attach-points.ts";
import type { BackendName } from "../mptcp/daemon.ts";
import type { Entry } from "./log.ts";

/** A program of the service's file, compiled or read. */
export interface Served {
  /** Its name in the file. */
  readonly program: string;
  /** As a user would name it. */
  readonly file: string;
  readonly input: ObjectToLoad;
  /** Of the object: the same program has the same. */
  readonly digest: string;
  readonly backend: BackendName;
  readonly params: Readonly<Record<string, unknown>>;
  /** The same as they stand in the file. */
  readonly paramTexts: Readonly<Record<string, string>>;
  readonly netns: string | undefined;
  /** Whether the service ends when the place goes or is not there, or waits for it to come. */
  readonly whenGone: "exit" | "wait";
}
export interface Target extends Served {
  /** Of its pins, and in lists. */
  readonly name: string;
  /** Undefined for what is registered with the kernel as a whole, and for path managers over netlink. */
  readonly place: Place | undefined;
}

/** An address and a port, or a Unix socket. */
export type ListenAt = { readonly host: string; readonly port: number } | { readonly path: string };

/** What instances are told of the service that they are part of. */
export interface Host {
  readonly pins: string;
  /** The control socket: what the service is known by. */
  readonly socket: string;
  /** Whether what runs stays when the service ends. */
  readonly keeps: () => boolean;
  /** Take the place of what somebody else has pinned under the same names, and of path managers that run. */
  readonly replace: boolean;
  readonly log: (entry: Entry) => void;
  /** Called between two programs while a change goes on. */
  readonly alive: () => void;
}

/** Whether two would be the very same: then nothing is to be done. */
export const isSame = (a: Target, b: Target): boolean => identity(a) === identity(b);
const identity = ({ name, digest, backend, paramTexts, netns, place }: Target): string =>
  JSON.stringify([
    name,
    digest,
    backend,
    Object.entries(paramTexts).toSorted(([a], [b]) => (a < b ? -1 : 1)),
    netns,
    place,
  ]);

/** Where it is or would be, for people. */
export const whereOf = ({ backend, place, netns, input }: Target): string =>
  backend === "netlink"
    ? netns === undefined
      ? "this network namespace"
      : `the network namespace ${netns}`
    : place === undefined
      ? (input.module.structOps ?? []).map(({ name }) => name).join(", ") || "nothing"
      : placeText(place);
