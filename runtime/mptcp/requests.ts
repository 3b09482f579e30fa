/** What a program asks for on a session: what is refused at once, as the kernel would, and what is queued. */
import { isMapped } from "../../compiler/addresses.ts";
import { ERRNO } from "../vm/errno.ts";
import { endpoint, type Ends } from "./ends.ts";
import type { Endpoint } from "./generic-netlink.ts";
import type { Delivery, Session } from "./sessions.ts";

/** As in the kernel, a session that is not established yet, or no more, takes none. */
export const takesRequests = ({ session, event }: Delivery): boolean =>
  session.established && event !== "MptcpCloseSession";
/** An IPv4 socket has no IPv6; one of IPv6 has IPv4, too. */
export const takesFamily = (session: Session, { bytes }: Endpoint): boolean =>
  session.local.bytes.length === 16 || bytes.length === 4 || isMapped(bytes);

/** Checks a helper's addresses at once, and queues the rest. The errno of what is queued shows in the reports only. */
export function request(
  delivery: Delivery,
  queue: (() => void)[],
  local: Uint8Array,
  remote: Uint8Array,
  ends: Ends,
  plan: (session: Session, from: Endpoint, to: Endpoint) => () => number,
): number {
  const { session } = delivery;
  const from = endpoint(local, ends.local);
  const to = endpoint(remote, ends.remote);
  if (!takesRequests(delivery)) return ERRNO.ENOTCONN;
  if (!from || !to || from.bytes.length !== to.bytes.length || !takesFamily(session, from)) return ERRNO.EINVAL;
  const act = plan(session, from, to);
  queue.push(() => void act());
  return 0;
}
