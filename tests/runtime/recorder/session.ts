/** The session that is played in the kernel and to the model. */
import type { FieldName } from "./program.ts";

export const SESSION = {
  ipv4: { client: "10.96.0.1", server: "10.96.0.2", prefix: 24 },
  ipv6: { client: "fd96::1", server: "fd96::2", prefix: 64 },
  clientPort: 41000,
  serverPort: 8200,
  /** Bytes from the client, then from the server; then the client closes. */
  asked: 100,
  answered: 300,
} as const;

export interface Session {
  readonly name: string;
  readonly family: "ipv4" | "ipv6";
  /** The client's data is lost until its timer fired at least once. */
  readonly loses?: true;
}
export const SESSIONS: readonly Session[] = [
  { name: "IPv4", family: "ipv4" },
  { name: "IPv6", family: "ipv6" },
  { name: "data that is lost", family: "ipv4", loses: true },
];

/** One event as the recorder wrote it down. */
export type Recorded = Readonly<Record<"op" | "arg0" | "arg1" | "arg2" | "calls" | "option" | "stored", number>> &
  Readonly<Record<FieldName, unknown>> &
  Readonly<Record<string, unknown>>;
/** Retransmission time-outs of an established connection in a record. */
export const timeouts = ({ client }: Sides): number =>
  client.filter(({ op, state }) => op === RTO_EVENT && state === ESTABLISHED).length;
const RTO_EVENT = 8;
const ESTABLISHED = 1;
export interface Sides {
  readonly client: readonly Recorded[];
  readonly server: readonly Recorded[];
}
