/** A socket as a test sees it. */
import type { Connection, ConnectionFields } from "./connection.ts";
import type { SocketHandle } from "./map-views.ts";

export interface ConnView extends SocketHandle, Readonly<ConnectionFields> {
  readonly callbacks: number;
}
/** A picture of a socket, which stands for it. */
export const connView = (connection: Connection): ConnView =>
  Object.freeze({ ...connection.fields, callbacks: connection.callbacks, socket: connection });
