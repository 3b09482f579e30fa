/** Carries fields between the model and the structs in a machine's memory. */
import { findMember } from "../../../compiler/bpf/kernel-types.ts";
import { congestionOps } from "../../../compiler/bpf/kinds/congestion-ops.ts";
import { TCP_SOCK, type SeenMember } from "../../../compiler/bpf/tcp-sock-members.ts";
import type { KernelObject } from "../../vm/kernel-objects.ts";
import type { Machine } from "../../vm/machine.ts";
import { freshSock, type SockField } from "./sock.ts";

type Fields<K extends string> = Record<K, number>;
export interface Binding<K extends string> {
  write(from: Fields<K>): void;
  read(into: Fields<K>): void;
}

/** Where a member lies in a struct of the machine's. */
function place(machine: Machine, object: KernelObject, { member }: SeenMember) {
  const found = findMember(machine.kernel.types, object.struct, member)!;
  const bytes = object.bytes(member);
  const width = found.bits ?? 8 * bytes.length;
  const shift =
    found.bits === undefined ? 0 : found.offset - Math.floor(found.offset / 8 / bytes.length) * 8 * bytes.length;
  return { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length), bytes: bytes.length, width, shift };
}

/** 64 bits from a number: as many ones as there are where it is too large. */
function put64(view: DataView, value: number): void {
  if (value < 0) return view.setBigInt64(0, BigInt(value), true);
  const isWhole = value < 2 ** 64;
  view.setUint32(0, isWhole ? value % 2 ** 32 : 0xffff_ffff, true);
  view.setUint32(4, isWhole ? Math.floor(value / 2 ** 32) : 0xffff_ffff, true);
}
const get64 = (view: DataView): number => {
  const value = view.getUint32(4, true) * 2 ** 32 + view.getUint32(0, true);
  return value >= 2 ** 63 ? Infinity : value;
};

export function bind<K extends string>(
  machine: Machine,
  object: KernelObject,
  names: readonly K[],
  members: Readonly<Record<K, SeenMember>>,
  written: readonly K[],
): Binding<K> {
  const places = names.map((name) => ({ name, ...place(machine, object, members[name]) }));
  const writable = places.filter(({ name }) => written.includes(name));
  // Most fields have 32 bits: this loop is most of what a call costs beside the program.
  const words = places.filter(({ bytes }) => bytes === 4);
  const wordNames = words.map(({ name }) => name);
  const memory = new Uint32Array(machine.memory.bytes.buffer);
  const indices = Uint32Array.from(words, ({ view }) => view.byteOffset / 4);
  const others = places.filter(({ bytes }) => bytes !== 4);
  return {
    write(from) {
      for (let at = 0; at < wordNames.length; at++) memory[indices[at]!] = from[wordNames[at]!];
      for (const { name, view, bytes, width, shift } of others) {
        const value = from[name];
        if (bytes === 8) put64(view, value);
        else if (bytes === 2) view.setUint16(0, value, true);
        else {
          const mask = ((1 << width) - 1) << shift;
          view.setUint8(0, (view.getUint8(0) & ~mask) | ((value << shift) & mask));
        }
      }
    },
    read(into) {
      for (const { name, view, bytes } of writable)
        into[name] = bytes === 4 ? view.getUint32(0, true) : bytes === 8 ? get64(view) : view.getUint8(0);
    },
  };
}

const FIELDS = Object.keys(freshSock(0)) as SockField[];
/** What congestion controls may write. */
const WRITTEN = FIELDS.filter((name) =>
  (congestionOps.writes.tcp_sock.members as readonly string[]).includes(TCP_SOCK[name].member),
);

/** The fields of a connection that the model has. */
export const bindSock = (machine: Machine, socket: KernelObject): Binding<SockField> =>
  bind(machine, socket, FIELDS, TCP_SOCK, WRITTEN);
