/** The ends of subflows as a program's helpers name them: struct sockaddr_in and sockaddr_in6, zero fields left open. */
import { addressText, isMapped } from "../../compiler/addresses.ts";
import type { Endpoint } from "./generic-netlink.ts";
import type { Delivery, Session, Subflow } from "./sessions.ts";

export interface Ends {
  readonly local: Endpoint;
  readonly remote: Endpoint;
}

/** Whether two addresses are one; an IPv6 socket has IPv4 ones as ::ffff:192.0.2.1. */
export const sameAddress = (of: Uint8Array, address: Uint8Array): boolean =>
  Buffer.compare(of, address) === 0 || (isMapped(of) && Buffer.compare(of.subarray(12), address) === 0);

/** What a new subflow gets where the program leaves something out: the event's addresses, any local port. */
export const defaultEnds = ({ session, subflow }: Delivery): Ends => ({
  local: { bytes: session.local.bytes, port: 0 },
  remote: (subflow ?? session).remote,
});

/** What is meant by addresses of subflows that exist: none at all is the event's own, zero fields match all. */
export function wantedEnds({ session, subflow }: Delivery, local: Uint8Array, remote: Uint8Array): Ends {
  if (local.length === 0 && remote.length === 0) return subflow ?? session;
  const any = { bytes: new Uint8Array(session.local.bytes.length), port: 0 };
  return { local: any, remote: any };
}

/** A struct sockaddr_in or sockaddr_in6; zero fields and a missing address take what `other` has. */
export function endpoint(bytes: Uint8Array, other: Endpoint): Endpoint | undefined {
  if (bytes.length === 0) return other;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const family = bytes.length >= 2 ? view.getUint16(0, true) : 0;
  const size = family === 2 && bytes.length >= 8 ? 4 : family === 10 && bytes.length >= 24 ? 16 : 0;
  if (size === 0) return family === 0 ? other : undefined;
  const at = size === 4 ? 4 : 8;
  const address = bytes.slice(at, at + size);
  const port = view.getUint16(2, false);
  const given = address.some((byte) => byte !== 0);
  // An address of its own without a port goes to the session's port.
  return { bytes: given ? address : other.bytes, port: port || other.port };
}

const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0);
/** Whether a subflow runs between these ends; zero fields match all. */
export const matches = (subflow: Ends, from: Endpoint, to: Endpoint): boolean =>
  [
    [subflow.local, from],
    [subflow.remote, to],
  ].every(
    ([have, want]) =>
      (isZero(want!.bytes) || sameAddress(have!.bytes, want!.bytes)) && (want!.port === 0 || want!.port === have!.port),
  );

/** Does something to every subflow that matches; the last errno, 0 when all went well. */
export function eachSubflow(session: Session, from: Endpoint, to: Endpoint, act: (subflow: Subflow) => number): number {
  let result = 0;
  for (const subflow of [...session.subflows.values()].filter((one) => matches(one, from, to)))
    result = act(subflow) || result;
  return result;
}

export const endpointText = ({ bytes, port }: Endpoint): string =>
  `${bytes.length === 16 ? `[${addressText(bytes)}]` : addressText(bytes)}${port === 0 ? "" : `:${port}`}`;
