/**
 * The addresses of a network namespace that can be used, kept current through rtnetlink (include/uapi/linux/if_addr.h, if_link.h,
 * rtnetlink.h). Loopback, link-local, tentative and deprecated ones are left out, and those whose links are all down: no subflow can use
 * them.
 */
import { failed } from "../kernel/errors.ts";
import { decodeAttributes, FLAG, NETLINK, openNetlink, readU32, type Message } from "./netlink.ts";

export type Family = 4 | 6;
/** An address of a host: 4 or 16 bytes in network order. */
export interface HostAddress {
  readonly family: Family;
  readonly bytes: Uint8Array;
  /** Of several links that have it, one. */
  readonly interfaceIndex: number;
}

const RTM = {
  newLink: 16,
  deleteLink: 17,
  getLink: 18,
  newAddress: 20,
  deleteAddress: 21,
  getAddress: 22,
} as const;
const GROUP = { link: 1, ipv4: 5, ipv6: 9 } as const;
const IFF = { up: 0x1, lowerUp: 0x1_0000, dormant: 0x2_0000 } as const;
const IFA = { address: 1, local: 2, flags: 8 } as const;
const IFA_F = { dadFailed: 0x08, deprecated: 0x20, tentative: 0x40 } as const;
const SCOPE = { universe: 0, site: 200, link: 253, host: 254 } as const;
const AF_INET = 2;
const AF_INET6 = 10;

export interface AddressWatch {
  /** In the order in which the kernel lists them. */
  readonly current: readonly HostAddress[];
  close(): void;
}
/**
 * `byLink`: the address was there before, or still is, and its link came up or went down. One that is deleted while its link is down is told
 * as removed a second time, then without.
 */
export type AddressChange = (address: HostAddress, byLink: boolean) => void;
/** Ready: found to be unique, and not given up. */
interface Held extends HostAddress {
  readonly ready: boolean;
}
interface Down extends HostAddress {
  /** It could be used before, and was told as removed by its link. */
  readonly told: boolean;
}

/**
 * Reads the addresses, then follows them. `added` and `removed` are called for every change after the first listing.
 * When the kernel had to drop messages the lists are read anew, and the differences are reported.
 */
export function watchAddresses(netns: string | undefined, added: AddressChange, removed: AddressChange): AddressWatch {
  const events = openNetlink(NETLINK.route, netns);
  const queries = openNetlink(NETLINK.route, netns);
  let current: readonly HostAddress[] = [];
  let all: readonly Held[] = [];
  const links = new Map<number, boolean>();
  /** Addresses whose links are all down, or came up and the address cannot be used yet. */
  const down = new Map<string, Down>();
  const list = (what: string, type: number, bytes: number): readonly Message[] => {
    const dump = queries.request(type, new Uint8Array(bytes), FLAG.request | FLAG.dump);
    if (typeof dump === "number") throw failed("netlink", `listing the ${what}`, dump);
    return dump;
  };
  const takeLink = (message: Message): void => {
    const one = link(message);
    if (one) links.set(one.index, one.isUp);
  };
  const read = (): void => {
    links.clear();
    list("links", RTM.getLink, 16).forEach(takeLink);
    all = list("addresses", RTM.getAddress, 8).flatMap((message) => held(message) ?? []);
  };
  const isUp = ({ interfaceIndex }: HostAddress): boolean => links.get(interfaceIndex) === true;
  /** Compares what can be used with what was told. */
  const compare = (tell = true): void => {
    const before = current;
    const usable = new Map<string, HostAddress>();
    for (const { family, bytes, interfaceIndex, ready } of all)
      if (ready && isUp({ family, bytes, interfaceIndex }) && !usable.has(keyOf(bytes)))
        usable.set(keyOf(bytes), { family, bytes, interfaceIndex });
    const there = new Map(all.map((one) => [keyOf(one.bytes), one]));
    const onLink = new Set(all.filter(isUp).map(({ bytes }) => keyOf(bytes)));
    current = [...usable.values()];
    const returned = new Set([...down.keys()].filter((key) => usable.has(key)));
    const deleted = [...down].flatMap(([key, one]) => (one.told && !there.has(key) ? [one] : []));
    for (const key of [...down.keys()]) if (usable.has(key) || !there.has(key)) down.delete(key);
    for (const [key, { family, bytes, interfaceIndex }] of there)
      if (!onLink.has(key) && !down.has(key))
        down.set(key, { family, bytes, interfaceIndex, told: before.some((other) => keyOf(other.bytes) === key) });
    if (!tell) return;
    for (const one of deleted) removed(one, false);
    for (const one of before)
      if (!usable.has(keyOf(one.bytes))) removed(one, there.has(keyOf(one.bytes)) && !onLink.has(keyOf(one.bytes)));
    for (const one of current) if (!has(before, one)) added(one, returned.has(keyOf(one.bytes)));
  };
  const take = (message: Message): void => {
    switch (message.type) {
      case RTM.newLink:
        return takeLink(message);
      case RTM.deleteLink: {
        const one = link(message);
        if (one) links.delete(one.index);
        return;
      }
      case RTM.newAddress:
      case RTM.deleteAddress: {
        const one = held(message);
        if (!one) return;
        const index = all.findIndex((other) => same(other, one) && other.interfaceIndex === one.interfaceIndex);
        const now = message.type === RTM.newAddress ? [one] : [];
        all = index < 0 ? [...all, ...now] : [...all.slice(0, index), ...now, ...all.slice(index + 1)];
      }
    }
  };
  try {
    // Listening starts before the listing, so that nothing falls between the two.
    events.join(GROUP.link);
    events.join(GROUP.ipv4);
    events.join(GROUP.ipv6);
    read();
    compare(false);
    events.listen(
      (message) => {
        take(message);
        compare();
      },
      () => {
        read();
        compare();
      },
    );
  } catch (error) {
    events.close();
    queries.close();
    throw error;
  }
  return {
    get current() {
      return current;
    },
    close() {
      events.close();
      queries.close();
    },
  };
}

const keyOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
/** The same address, on whatever link. */
const same = (a: HostAddress, b: HostAddress): boolean => Buffer.compare(a.bytes, b.bytes) === 0;
const has = (list: readonly HostAddress[], address: HostAddress): boolean => list.some((one) => same(one, address));

/** struct ifaddrmsg (family, prefix length, flags, scope, index) and its attributes. */
function parse({ payload }: Message): (HostAddress & { readonly flags: number; readonly scope: number }) | undefined {
  if (payload.length < 8) return undefined;
  const family = payload[0] === AF_INET ? 4 : payload[0] === AF_INET6 ? 6 : undefined;
  const attributes = decodeAttributes(payload, 8);
  // On point-to-point links IFA_ADDRESS is the peer; IFA_LOCAL is ours. IPv6 has only the former, usually.
  const bytes = attributes.get(IFA.local) ?? attributes.get(IFA.address);
  if (family === undefined || bytes?.length !== (family === 4 ? 4 : 16)) return undefined;
  return {
    family,
    bytes,
    interfaceIndex: new DataView(payload.buffer, payload.byteOffset).getUint32(4, true),
    flags: readU32(attributes.get(IFA.flags)) ?? payload[2]!,
    scope: payload[3]!,
  };
}

/** An address of a link; undefined for those that are of no use for a session on any link. */
function held(message: Message): Held | undefined {
  const found = parse(message);
  if (!found) return undefined;
  const { family, bytes, interfaceIndex, flags, scope } = found;
  if (scope !== SCOPE.universe && scope !== SCOPE.site) return undefined;
  const ready = (flags & (IFA_F.dadFailed | IFA_F.deprecated | IFA_F.tentative)) === 0;
  return { family, bytes, interfaceIndex, ready };
}

/** struct ifinfomsg. Bridges tell of their ports in messages of another family. */
function link({ payload }: Message): { readonly index: number; readonly isUp: boolean } | undefined {
  if (payload.length < 16 || payload[0] !== 0) return undefined;
  const view = new DataView(payload.buffer, payload.byteOffset);
  const flags = view.getUint32(8, true);
  const isUp = (flags & IFF.up) !== 0 && (flags & IFF.lowerUp) !== 0 && (flags & IFF.dormant) === 0;
  return { index: view.getInt32(4, true), isUp };
}
