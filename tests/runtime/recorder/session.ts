/** The session that is played in the kernel and to the model. */
import type { FieldName } from "./program.ts";

export const SESSION = {
  client: "10.96.0.1",
  server: "10.96.0.2",
  clientPort: 41000,
  serverPort: 8200,
  /** Bytes from the client, then from the server; then the client closes. */
  asked: 100,
  answered: 300,
} as const;

/** One event as the recorder wrote it down. */
export type Recorded = Readonly<Record<"op" | "arg0" | "arg1" | "arg2" | "calls" | "option" | "stored", number>> &
  Readonly<Record<FieldName, unknown>> &
  Readonly<Record<string, unknown>>;
export interface Sides {
  readonly client: readonly Recorded[];
  readonly server: readonly Recorded[];
}
