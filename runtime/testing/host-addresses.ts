/** The addresses of a host of tests, kept for its programs as the runtime keeps them. */
import { holdsLocalAddresses } from "../../compiler/local-addresses.ts";
import type { BpfModule } from "../../compiler/module.ts";
import { sameBytes } from "../vm/bytes.ts";
import type { Machine } from "../vm/machine.ts";
import { keepLocalAddresses, type LocalAddresses } from "../vm/maps/local-addresses.ts";
import { bytesOfIpv4, bytesOfIpv6 } from "./connection.ts";
import type { Host } from "./host.ts";

/** ipv4("10.0.0.1"), or an IPv6 address as text. */
export interface AddressValue {
  readonly addr?: symbol;
  readonly addr6?: string;
}
interface Kept {
  addresses: readonly AddressValue[];
  readonly keepers: LocalAddresses[];
}
const hosts = new WeakMap<Host, Kept>();
const keptOf = (host: Host): Kept => {
  const known = hosts.get(host) ?? { addresses: host.localAddresses, keepers: [] };
  hosts.set(host, known);
  return known;
};
const bytesOf = ({ addr, addr6 }: AddressValue): Uint8Array =>
  addr6 === undefined ? bytesOfIpv4(addr) : bytesOfIpv6(addr6);

/** Keeps them for one more program that asks for them. */
export function followHost(host: Host, module: BpfModule, machine: Machine, warn: (text: string) => void): void {
  const spec = module.maps.find(holdsLocalAddresses);
  const map = spec && machine.maps.get(spec.name);
  if (!map) return;
  const kept = keptOf(host);
  const keeper = keepLocalAddresses((value) => void map.write(new Uint8Array(4), [value]), warn);
  for (const one of kept.addresses) keeper.add(bytesOf(one));
  kept.keepers.push(keeper);
}

/** The host gained or lost an address. */
export function changeAddress(host: Host, added: boolean, address: AddressValue): void {
  const kept = keptOf(host);
  const bytes = bytesOf(address);
  const others = kept.addresses.filter((one) => !sameBytes(bytesOf(one), bytes));
  kept.addresses = added ? [...others, address] : others;
  for (const keeper of kept.keepers) keeper[added ? "add" : "remove"](bytes);
}
