/** A kernel made of tables, for the netlink daemon's own code: what it lists and tells is what a test says. */
import type { AddressChange, HostAddress } from "../../runtime/mptcp/addresses.ts";
import type { Endpoint, MptcpEvent, MptcpEventName } from "../../runtime/mptcp/generic-netlink.ts";
import type { Doors } from "../../runtime/mptcp/netlink-daemon.ts";
import type { DiagSession, DiagSubflow } from "../../runtime/mptcp/sock-diag.ts";

export const local: Endpoint = { bytes: new Uint8Array([10, 0, 0, 1]), port: 0 };
const remoteOf = (token: number): Endpoint => ({
  bytes: new Uint8Array([10, (token >> 16) & 0xff, (token >> 8) & 0xff, token & 0xff]),
  port: 443,
});
/** An event of a session whose ends follow from its token. */
export const event = (name: MptcpEventName, token: number, more: Partial<MptcpEvent> = {}): MptcpEvent => ({
  name,
  token,
  family: 4,
  local: { ...local, bytes: local.bytes.slice(), port: 1024 + (token % 60_000) },
  remote: remoteOf(token),
  localId: 0,
  remoteId: 0,
  backup: false,
  serverSide: false,
  error: 0,
  ...more,
});

/** An address of this host that comes and goes. */
const late: HostAddress = { family: 4, bytes: new Uint8Array([10, 9, 9, 9]), interfaceIndex: 2 };

/** A kernel that has the sessions which the test says, and tells what the test says. */
export function kernel() {
  const sessions = new Map<number, DiagSession>();
  const subflows = new Map<number, DiagSubflow[]>();
  let hear: (event: MptcpEvent) => void = () => undefined;
  let overrun: () => void = () => undefined;
  let added: AddressChange = () => undefined;
  let removed: AddressChange = () => undefined;
  const doors: Doors = {
    pm: {
      listen(receive, lost) {
        hear = receive;
        overrun = lost;
      },
      createSubflow: () => 0,
      destroySubflow: () => 0,
      announce: () => 0,
      remove: () => 0,
      manages: () => true,
      setBackup: () => 0,
      close: () => undefined,
    },
    diag: {
      sessions: (each) => sessions.forEach((one) => each(one)),
      subflows: (each) => subflows.forEach((list) => list.forEach((one) => each(one))),
      has: (token) => sessions.has(token),
      tcp: () => undefined,
      close: () => undefined,
    },
    watchAddresses(onAdded, onRemoved) {
      added = onAdded;
      removed = onRemoved;
      return { current: [], close: () => undefined };
    },
  };
  const first = (token: number): DiagSubflow => ({
    ...event("created", token),
    local: event("created", token).local!,
    remote: remoteOf(token),
    joined: false,
    negotiated: true,
    outgoing: true,
    fullyEstablished: true,
  });
  return {
    doors,
    sessions,
    open(token: number, silently = false) {
      const one = first(token);
      sessions.set(token, { token, local: one.local, remote: one.remote, open: true });
      subflows.set(token, [one]);
      if (silently) return;
      hear(event("created", token));
      hear(event("established", token));
    },
    /** As when the peer sends FASTCLOSE: it is gone, and nobody says so. */
    reset(token: number) {
      sessions.delete(token);
      subflows.delete(token);
    },
    tell: (one: MptcpEvent) => hear(one),
    lose: () => overrun(),
    addAddress: (byLink = false) => added(late, byLink),
    removeAddress: (byLink = false) => removed(late, byLink),
  };
}
