/**
 * The array map of local addresses that a path manager reads, kept current by the daemon. The map is called `localAddrs`;
 * its value is a struct whose fields are filled by name: `addr` (IPv4), `addr6` (16 bytes), `inUse` (1), `family` (AF_INET
 * or AF_INET6), `id` (slot number + 1). An address stays in its slot for as long as it exists.
 */
import { addressText } from "../../compiler/addresses.ts";
import { sizeOf, type FieldLayout, type StructLayout } from "../../compiler/layout.ts";
import type { MapSpec } from "../../compiler/module.ts";
import { RuntimeError } from "../kernel/errors.ts";
import { same, type HostAddress } from "./addresses.ts";

export const LOCAL_ADDRESSES_MAP = "localAddrs";

/** The map of a loaded program or of the virtual machine, by slot number and value bytes. */
export interface AddressSlots {
  store(slot: number, value: Uint8Array): void;
}

export interface LocalAddresses {
  add(address: HostAddress): void;
  remove(address: HostAddress): void;
  readonly stored: readonly HostAddress[];
}

const AF = { 4: 2, 6: 10 } as const;

/** `warn` hears of addresses that do not fit. Throws RuntimeError when the map cannot hold addresses at all. */
export function localAddresses(spec: MapSpec, slots: AddressSlots, warn: (text: string) => void): LocalAddresses {
  const layout = spec.value;
  if (spec.type !== "array" || layout?.kind !== "struct" || !layout.fields.some((field) => /^addr6?$/.test(field.name)))
    throw new RuntimeError("bad-object", `map ${spec.name} cannot hold local addresses`, {
      help: "declare it as new ArrayMap({ value: LocalAddr, maxEntries: 8 }) with class LocalAddr extends struct({ addr: be32, inUse: u8 })",
    });
  const held: (HostAddress | undefined)[] = new Array<undefined>(spec.maxEntries).fill(undefined);
  const empty = new Uint8Array(layout.size);
  return {
    add(address) {
      if (held.some((one) => one && same(one, address))) return;
      const value = encodeLocal(layout, address);
      if (!value) return;
      const slot = held.indexOf(undefined);
      if (slot < 0) {
        warn(`no room for local address ${addressText(address.bytes)}: ${spec.name} has ${spec.maxEntries} slots`);
        return;
      }
      const id = layout.fields.find((field) => field.name === "id");
      if (id) value[id.offset] = slot + 1;
      held[slot] = address;
      slots.store(slot, value);
    },
    remove(address) {
      const slot = held.findIndex((one) => one && same(one, address));
      if (slot < 0) return;
      held[slot] = undefined;
      slots.store(slot, empty);
    },
    get stored() {
      return held.filter((one) => one !== undefined);
    },
  };
}

/** The value bytes, or undefined when the struct has no place for this family. */
function encodeLocal(layout: StructLayout, address: HostAddress): Uint8Array | undefined {
  const field = (name: string): FieldLayout | undefined => layout.fields.find((candidate) => candidate.name === name);
  const place = field(address.family === 4 ? "addr" : "addr6");
  if (!place || sizeOf(place.layout) !== address.bytes.length) return undefined;
  const value = new Uint8Array(layout.size);
  value.set(address.bytes, place.offset);
  const inUse = field("inUse");
  if (inUse) value[inUse.offset] = 1;
  const family = field("family");
  if (family) value[family.offset] = AF[address.family];
  return value;
}
