/**
 * The addresses of a host in the one value of a map of compiler/local-addresses.ts. An address stays in its slot for as long as it exists, and
 * has its family last: a program that reads while it is written finds a free slot.
 */
import { addressText } from "../../../compiler/addresses.ts";
import { LOCAL_ADDRESS, LOCAL_ADDRESSES, MOST_LOCAL_ADDRESSES } from "../../../compiler/local-addresses.ts";
import { sameBytes } from "../bytes.ts";

export interface LocalAddresses {
  /** 4 or 16 bytes in network order. What is there already changes nothing. */
  add(address: Uint8Array): void;
  /** The first that waits for room takes its slot. */
  remove(address: Uint8Array): void;
  readonly stored: readonly Uint8Array[];
}

const AF_INET = 2;
const AF_INET6 = 10;
const offsetOf = (name: string): number => LOCAL_ADDRESS.fields.find((field) => field.name === name)!.offset;
const AT = { addr: offsetOf("addr"), family: offsetOf("family"), addr6: offsetOf("addr6") };

/** `store` writes the whole value, which is empty at first; `warn` hears of addresses that do not fit, and wait until one goes. */
export function keepLocalAddresses(store: (value: Uint8Array) => void, warn: (text: string) => void): LocalAddresses {
  const held: (Uint8Array | undefined)[] = new Array<undefined>(MOST_LOCAL_ADDRESSES).fill(undefined);
  const value = new Uint8Array(LOCAL_ADDRESSES.size);
  const view = new DataView(value.buffer);
  /** Those that there was no room for, in the order in which they came. */
  const waiting: Uint8Array[] = [];
  const find = (list: readonly (Uint8Array | undefined)[], address: Uint8Array): number =>
    list.findIndex((one) => one && sameBytes(one, address));
  const setFamily = (slot: number, family: number): void => {
    view.setUint32(slot * LOCAL_ADDRESS.size + AT.family, family, true);
    store(value);
  };
  const put = (slot: number, address: Uint8Array): void => {
    held[slot] = address;
    const at = slot * LOCAL_ADDRESS.size;
    value.fill(0, at, at + LOCAL_ADDRESS.size);
    value.set(address, at + (address.length === 4 ? AT.addr : AT.addr6));
    store(value);
    setFamily(slot, address.length === 4 ? AF_INET : AF_INET6);
  };
  // What somebody before us has left there is not to be believed.
  store(value);
  return {
    add(address) {
      if (find(held, address) >= 0 || find(waiting, address) >= 0) return;
      const slot = held.indexOf(undefined);
      if (slot >= 0) return put(slot, address);
      waiting.push(address);
      warn(`no room for local address ${addressText(address)}: programs are given ${MOST_LOCAL_ADDRESSES} at most`);
    },
    remove(address) {
      const slot = find(held, address);
      if (slot < 0) {
        const place = find(waiting, address);
        if (place >= 0) waiting.splice(place, 1);
        return;
      }
      held[slot] = undefined;
      setFamily(slot, 0);
      const next = waiting.shift();
      if (next) put(slot, next);
    },
    get stored() {
      return held.filter((one) => one !== undefined);
    },
  };
}
