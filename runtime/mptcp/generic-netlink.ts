/** MPTCP's generic-netlink family: events of path managers in, commands out (include/uapi/linux/mptcp.h, mptcp_pm.h). */
import { failed, RuntimeError } from "../kernel/errors.ts";
import {
  concat,
  decodeAttributes,
  encodeAttributes,
  FLAG,
  NETLINK,
  openNetlink,
  readU16,
  readU32,
  readU8,
  u16,
  u32,
  u8,
  type AttributeList,
} from "./netlink.ts";
import type { Family } from "./addresses.ts";

const GENL_ID_CTRL = 16;
const CTRL_CMD_GETFAMILY = 3;
const CTRL = { familyId: 1, familyName: 2, multicastGroups: 7 } as const;
const GROUP = { name: 1, id: 2 } as const;
const FAMILY_NAME = "mptcp_pm";
const EVENT_GROUP = "mptcp_pm_events";

const COMMAND = { announce: 8, remove: 9, subflowCreate: 10, subflowDestroy: 11, setFlags: 7 } as const;
const PM = { address: 1, token: 4, localId: 5, remote: 6 } as const;
const ADDRESS = { family: 1, id: 2, ipv4: 3, ipv6: 4, port: 5, flags: 6, interfaceIndex: 7 } as const;
const ADDRESS_FLAG_BACKUP = 4;
const EVENT = {
  created: 1,
  established: 2,
  closed: 3,
  announced: 6,
  removed: 7,
  subflowEstablished: 10,
  subflowClosed: 11,
  priority: 13,
  listenerCreated: 15,
  listenerClosed: 16,
} as const;
export type MptcpEventName = keyof typeof EVENT;
const ATTRIBUTE = {
  token: 1,
  family: 2,
  localId: 3,
  remoteId: 4,
  source4: 5,
  source6: 6,
  destination4: 7,
  destination6: 8,
  sourcePort: 9,
  destinationPort: 10,
  backup: 11,
  error: 12,
  flags: 13,
  interfaceIndex: 15,
  serverSide: 18,
} as const;
const EVENT_FLAG_SERVER_SIDE = 2;
const ESRCH = -3;
const AF_INET = 2;
const AF_INET6 = 10;

/** One end of a subflow: 4 or 16 bytes in network order, port in host order (0: not given). */
export interface Endpoint {
  readonly bytes: Uint8Array;
  readonly port: number;
}
export interface MptcpEvent {
  readonly name: MptcpEventName;
  readonly token: number;
  readonly family: Family | undefined;
  readonly local: Endpoint | undefined;
  readonly remote: Endpoint | undefined;
  readonly localId: number;
  readonly remoteId: number;
  readonly backup: boolean;
  readonly serverSide: boolean;
  /** Positive errno, 0 when there is none. */
  readonly error: number;
}

export interface MptcpNetlink {
  listen(receive: (event: MptcpEvent) => void, overrun: () => void): void;
  /** 0 or the negative errno. */
  createSubflow(
    token: number,
    local: Endpoint & { readonly id: number; readonly backup?: boolean },
    remote: Endpoint,
  ): number;
  destroySubflow(token: number, local: Endpoint, remote: Endpoint): number;
  /** Tells the peer about an address of this host (ADD_ADDR). */
  announce(token: number, local: Endpoint & { readonly id: number }): number;
  /** Tells the peer that an address is gone (REMOVE_ADDR). */
  remove(token: number, id: number): number;
  /** Whether the path manager of a session is user space's: that of one that began before is the kernel's. */
  manages(token: number, local: Endpoint, remote: Endpoint): boolean;
  setBackup(token: number, local: Endpoint, remote: Endpoint, backup: boolean): number;
  close(): void;
}

/** Opens the family in a network namespace. Throws RuntimeError when the kernel has no MPTCP. */
export function openMptcpNetlink(netns?: string, receiveBuffer?: number): MptcpNetlink {
  const commands = openNetlink(NETLINK.generic, netns);
  const family = resolveFamily(commands.request.bind(commands));
  if (typeof family === "number") {
    commands.close();
    if (family === -2)
      throw new RuntimeError("kernel-lacks", "this kernel has no MPTCP path-manager interface", {
        errno: 2,
        help: "it needs Linux 5.19 or later with CONFIG_MPTCP",
      });
    throw failed("netlink", `asking for ${FAMILY_NAME}`, family);
  }
  const events = openNetlink(NETLINK.generic, netns, receiveBuffer);
  try {
    events.join(family.eventGroup);
  } catch (error) {
    commands.close();
    events.close();
    throw error;
  }
  const send = (command: number, attributes: AttributeList): number => {
    const result = commands.request(
      family.id,
      concat([new Uint8Array([command, 1, 0, 0]), encodeAttributes(attributes)]),
    );
    return typeof result === "number" ? result : 0;
  };
  const destroy = (token: number, local: Endpoint, remote: Endpoint): number =>
    send(COMMAND.subflowDestroy, [
      [PM.address, address(local)],
      [PM.token, u32(token)],
      [PM.remote, address(remote)],
    ]);
  return {
    listen(receive, overrun) {
      events.listen((message) => {
        const event = message.type === family.id ? parseEvent(message.payload) : undefined;
        if (event) receive(event);
      }, overrun);
    },
    createSubflow: (token, local, remote) =>
      send(COMMAND.subflowCreate, [
        [
          PM.address,
          [...address(local), [ADDRESS.id, u8(local.id)], ...(local.backup ? [flags(ADDRESS_FLAG_BACKUP)] : [])],
        ],
        [PM.token, u32(token)],
        [PM.remote, address(remote)],
      ]),
    destroySubflow: destroy,
    // Ports that no subflow has: the kernel answers ESRCH where it would look, EINVAL where it is not ours to ask.
    manages: (token, local, remote) => destroy(token, { ...local, port: 1 }, { ...remote, port: 1 }) === ESRCH,
    announce: (token, local) =>
      send(COMMAND.announce, [
        [PM.address, [...address(local), [ADDRESS.id, u8(local.id)], flags(1)]],
        [PM.token, u32(token)],
      ]),
    remove: (token, id) =>
      send(COMMAND.remove, [
        [PM.token, u32(token)],
        [PM.localId, u8(id)],
      ]),
    setBackup: (token, local, remote, backup) =>
      send(COMMAND.setFlags, [
        [PM.address, [...address(local), flags(backup ? ADDRESS_FLAG_BACKUP : 0)]],
        [PM.token, u32(token)],
        [PM.remote, address(remote)],
      ]),
    close() {
      commands.close();
      events.close();
    },
  };
}

const flags = (value: number): AttributeList[number] => [ADDRESS.flags, u32(value)];

function address(endpoint: Endpoint): AttributeList {
  const wide = endpoint.bytes.length === 16;
  return [
    [ADDRESS.family, u16(wide ? AF_INET6 : AF_INET)],
    [wide ? ADDRESS.ipv6 : ADDRESS.ipv4, endpoint.bytes],
    ...(endpoint.port === 0 ? [] : [[ADDRESS.port, u16(endpoint.port)] as const]),
  ];
}

function resolveFamily(
  request: (type: number, payload: Uint8Array, flags?: number) => readonly { readonly payload: Uint8Array }[] | number,
): { readonly id: number; readonly eventGroup: number } | number {
  const name = new Uint8Array(Buffer.from(`${FAMILY_NAME}\0`));
  const payload = concat([new Uint8Array([CTRL_CMD_GETFAMILY, 1, 0, 0]), encodeAttributes([[CTRL.familyName, name]])]);
  const replies = request(GENL_ID_CTRL, payload, FLAG.request | FLAG.ack);
  if (typeof replies === "number") return replies;
  const reply = replies[0];
  if (!reply) return -2;
  const attributes = decodeAttributes(reply.payload, 4);
  const id = readU16(attributes.get(CTRL.familyId));
  for (const group of decodeAttributes(attributes.get(CTRL.multicastGroups) ?? new Uint8Array()).values()) {
    const parts = decodeAttributes(group);
    const label = Buffer.from(parts.get(GROUP.name) ?? [])
      .toString("latin1")
      .replace(/\0.*$/, "");
    const eventGroup = readU32(parts.get(GROUP.id));
    if (label === EVENT_GROUP && id !== undefined && eventGroup !== undefined) return { id, eventGroup };
  }
  return -2;
}

/** One event; undefined for those that no path manager needs. */
export function parseEvent(payload: Uint8Array): MptcpEvent | undefined {
  const command = payload[0];
  const name = (Object.keys(EVENT) as MptcpEventName[]).find((key) => EVENT[key] === command);
  if (!name) return undefined;
  const attributes = decodeAttributes(payload, 4);
  const get = (key: keyof typeof ATTRIBUTE): Uint8Array | undefined => attributes.get(ATTRIBUTE[key]);
  const token = readU32(get("token"));
  if (token === undefined) return undefined;
  const familyNumber = readU16(get("family"));
  // Ports are in network order, unlike every other integer of the family.
  const end = (bytes: Uint8Array | undefined, port: Uint8Array | undefined): Endpoint | undefined =>
    bytes && { bytes, port: readU16(port, true) ?? 0 };
  return {
    name,
    token,
    family: familyNumber === AF_INET ? 4 : familyNumber === AF_INET6 ? 6 : undefined,
    local: end(get("source4") ?? get("source6"), get("sourcePort")),
    remote: end(get("destination4") ?? get("destination6"), get("destinationPort")),
    localId: readU8(get("localId")) ?? 0,
    remoteId: readU8(get("remoteId")) ?? 0,
    backup: (readU8(get("backup")) ?? 0) !== 0,
    // Newer kernels say it in the flags, older ones in an attribute of its own.
    serverSide: (readU8(get("serverSide")) ?? 0) !== 0 || ((readU16(get("flags")) ?? 0) & EVENT_FLAG_SERVER_SIDE) !== 0,
    error: readU8(get("error")) ?? 0,
  };
}
