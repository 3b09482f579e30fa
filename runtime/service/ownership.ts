/**
 * Which pinned objects are a service's: on record for as long as they are pinned, also while no service runs, so that the
 * next start takes over what was left and nobody else's.
 */
import { createHash } from "node:crypto";
import { claim, claimDirectory, claims, type Claim } from "../kernel/claims.ts";
import { RuntimeError } from "../kernel/errors.ts";
import { pinnedObjects, removeObject } from "../kernel/pins.ts";

const SERVICE = "service-";
const OBJECT = "served-";
const short = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 32);
const recordOf = (pins: string, name: string): string => `${OBJECT}${short(`${pins}\0${name}`)}`;

/** The directory of records, which a service cannot do without. Throws RuntimeError. */
export function recordsOfServices(): string {
  const directory = claimDirectory();
  if (directory !== undefined) return directory;
  throw new RuntimeError("not-permitted", "a service needs a directory for its records, /run/tsbpf", {
    help: "run as root",
  });
}

/** Takes the control socket's path: one service answers there. Throws RuntimeError with who does. */
export function claimService(socket: string, file: string): Claim {
  const got = claim(recordsOfServices(), `${SERVICE}${short(socket)}`, file);
  if (!("holder" in got)) {
    try {
      got.write({ socket });
    } catch (error) {
      got.end();
      throw error;
    }
    return got;
  }
  const { holder } = got;
  throw new RuntimeError(
    "in-use",
    `${holder ? `process ${holder.pid} serves ${holder.program}` : "another process starts a service"} at ${socket}`,
    { help: `tsbpf serve list --socket ${socket} shows it, serve stop ends it; another service needs another socket` },
  );
}

/** Takes the name of an object. `left`: it is this service's from before. Throws RuntimeError with who has it. */
export function claimObject(pins: string, name: string, socket: string, file: string): Claim {
  const got = claim(recordsOfServices(), recordOf(pins, name), file);
  if (!("holder" in got)) return got;
  const { holder } = got;
  throw new RuntimeError(
    "in-use",
    `the object ${name} under ${pins} belongs to the service at ${holder?.undo["socket"] ?? "another socket"}${holder ? ` (process ${holder.pid})` : ""}`,
    { help: holder?.undo["socket"] === socket ? "it ends at this moment: try again" : "give the program another name" },
  );
}

/** A record of a service that does not run. */
interface Left {
  readonly name: string;
  readonly pins: string;
  readonly socket: string;
  readonly pid: number;
  readonly claim: Claim;
}
/** Visits what services have left, of which none runs; the record is let go afterwards, unless `use` has ended it. */
function eachLeft(use: (left: Left) => boolean): void {
  const directory = claimDirectory();
  if (directory === undefined) return;
  for (const file of claims(directory)) {
    if (!file.startsWith(OBJECT)) continue;
    const got = claim(directory, file, "recovery");
    if ("holder" in got) continue;
    const { name, pins, socket } = got.left?.undo ?? {};
    const isKnown = name !== undefined && pins !== undefined && socket !== undefined;
    if (!isKnown || !use({ name, pins, socket, pid: got.left!.pid, claim: got })) {
      if (isKnown) got.leave();
      else got.end();
    }
  }
}

/** Detaches and removes what this service has left and has no use for. Gives a line for people for each. */
export function removeLeft(socket: string, pins: string, wanted: ReadonlySet<string>): readonly string[] {
  const said: string[] = [];
  eachLeft((left) => {
    if (left.socket !== socket || (left.pins === pins && wanted.has(left.name))) return false;
    try {
      const there = pinnedObjects(left.pins).includes(left.name);
      const places = there ? removeObject(left.name, left.pins) : [];
      if (there)
        said.push(
          `${left.name}, left by process ${left.pid}, is wanted no more: detached${places.length > 0 ? ` from ${places.join(", ")}` : ""}`,
        );
    } catch (error) {
      said.push(`${left.name}, left by process ${left.pid}: ${(error as Error).message}`);
    }
    left.claim.end();
    return true;
  });
  return said;
}

/** Forgets records of objects that are pinned no more: somebody has detached them. */
export function forgetDetached(): void {
  eachLeft((left) => {
    let there = true;
    try {
      there = pinnedObjects(left.pins).includes(left.name);
    } catch {
      // Where the pins cannot be looked into, the record stays.
    }
    if (!there) left.claim.end();
    return !there;
  });
}
