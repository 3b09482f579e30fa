/**
 * The addresses of a network namespace, kept current through rtnetlink (include/uapi/linux/if_addr.h, rtnetlink.h).
 * Loopback, link-local, tentative and deprecated ones are left out: no subflow can use them.
 */
import { failed } from "../kernel/errors.ts";
import { decodeAttributes, FLAG, NETLINK, openNetlink, readU32, type Message } from "./netlink.ts";

export type Family = 4 | 6;
/** An address of a host: 4 or 16 bytes in network order. */
export interface HostAddress {
  readonly family: Family;
  readonly bytes: Uint8Array;
  readonly interfaceIndex: number;
}

const RTM = { newAddress: 20, deleteAddress: 21, getAddress: 22 } as const;
const GROUP = { ipv4: 5, ipv6: 9 } as const;
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
 * Reads the addresses, then follows them. `added` and `removed` are called for every change after the first listing.
 * When the kernel had to drop messages the list is read anew, and the differences are reported.
 */
export function watchAddresses(
  netns: string | undefined,
  added: (address: HostAddress) => void,
  removed: (address: HostAddress) => void,
): AddressWatch {
  const events = openNetlink(NETLINK.route, netns);
  const queries = openNetlink(NETLINK.route, netns);
  let current: HostAddress[] = [];
  const read = (): HostAddress[] => {
    const dump = queries.request(RTM.getAddress, new Uint8Array(8), FLAG.request | FLAG.dump);
    if (typeof dump === "number") throw failed("netlink", "listing the addresses", dump);
    return dump.flatMap((message) => usable(message) ?? []);
  };
  const resync = (): void => {
    const now = read();
    const before = current;
    current = now;
    for (const address of before) if (!has(now, address)) removed(address);
    for (const address of now) if (!has(before, address)) added(address);
  };
  try {
    // Listening starts before the listing, so that nothing falls between the two.
    events.join(GROUP.ipv4);
    events.join(GROUP.ipv6);
    current = read();
    events.listen((message) => {
      if (message.type === RTM.deleteAddress) {
        const gone = parse(message);
        const known = gone && current.find((candidate) => same(candidate, gone));
        if (!known) return;
        current = current.filter((candidate) => candidate !== known);
        removed(known);
      } else if (message.type === RTM.newAddress) {
        const fresh = usable(message);
        if (!fresh || has(current, fresh)) return;
        current = [...current, fresh];
        added(fresh);
      }
    }, resync);
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

export const same = (a: HostAddress, b: HostAddress): boolean =>
  a.family === b.family && a.interfaceIndex === b.interfaceIndex && Buffer.compare(a.bytes, b.bytes) === 0;
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

function usable(message: Message): HostAddress | undefined {
  const found = parse(message);
  if (!found) return undefined;
  const { family, bytes, interfaceIndex, flags, scope } = found;
  if (scope !== SCOPE.universe && scope !== SCOPE.site) return undefined;
  if ((flags & (IFA_F.dadFailed | IFA_F.deprecated | IFA_F.tentative)) !== 0) return undefined;
  return { family, bytes, interfaceIndex };
}
