/** Structs of the kernel in the machine's memory, as the types that programs are compiled with lay them out. */
import { findMember, sizeOfKernelType, type FoundMember, type KernelTypes } from "../../compiler/bpf/kernel-types.ts";
import { writablePlaces } from "../../compiler/bpf/kinds/struct-ops.ts";
import type { Guard, Memory } from "./memory.ts";

/** One struct. Members are named as `findMember` finds them. */
export interface KernelObject {
  readonly struct: string;
  readonly address: bigint;
  get(member: string): bigint;
  set(member: string, value: bigint): void;
  /** The bytes of a member, shared with programs. */
  bytes(member: string): Uint8Array;
}

/** Programs read anything, and write what those structs of functions let them. */
function guardFor(types: KernelTypes, struct: string, ops: readonly string[]): Guard {
  const { members = [], anywhere = [] } = writablePlaces(ops, struct) ?? {};
  const places = members.flatMap((name) => {
    const found = findMember(types, struct, name);
    if (!found) return [];
    const start = found.offset / 8;
    return [{ start, end: start + sizeOfKernelType(types, found.type), inside: anywhere.includes(name) }];
  });
  return (offset, bytes, write) => {
    if (!write) return undefined;
    const place = places.find(({ start, end, inside }) =>
      inside ? offset >= start && offset < end : offset === start,
    );
    if (place && offset + bytes <= place.end) return undefined;
    return `write of ${bytes} bytes at offset ${offset} of ${struct}, which the kernel does not let programs write`;
  };
}

/** Makes a struct of zeros for programs that are functions of the structs `ops`; a RangeError where the types have none of that name. */
export function createKernelObject(
  memory: Memory,
  types: KernelTypes,
  struct: string,
  ops: readonly string[],
): KernelObject {
  const size = types.structs.get(struct)?.bytes;
  if (size === undefined) throw new RangeError(`the kernel's types have no ${struct}`);
  const region = memory.allocate({ name: struct, size, access: guardFor(types, struct, ops) });
  const start = memory.arenaStart + region.start;
  const known = new Map<string, FoundMember>();
  const found = (name: string): FoundMember => {
    const member = known.get(name) ?? findMember(types, struct, name);
    if (!member) throw new RangeError(`the kernel's ${struct} has no ${name}`);
    known.set(name, member);
    return member;
  };
  const place = (member: FoundMember): { readonly at: number; readonly bytes: number; readonly shift: number } => {
    const bytes = sizeOfKernelType(types, member.type);
    const at = Math.floor(member.offset / 8 / bytes) * bytes;
    return { at: start + (member.bits === undefined ? member.offset / 8 : at), bytes, shift: member.offset - at * 8 };
  };
  const read = (at: number, bytes: number): bigint => {
    let value = 0n;
    for (let index = bytes - 1; index >= 0; index--) value = (value << 8n) | BigInt(memory.bytes[at + index]!);
    return value;
  };
  const write = (at: number, bytes: number, value: bigint): void => {
    for (let index = 0; index < bytes; index++) memory.bytes[at + index] = Number((value >> BigInt(8 * index)) & 0xffn);
  };
  return {
    struct,
    address: memory.address(region),
    get(name) {
      const member = found(name);
      const { at, bytes, shift } = place(member);
      const whole = read(at, bytes);
      if (member.bits !== undefined) return (whole >> BigInt(shift)) & ((1n << BigInt(member.bits)) - 1n);
      return member.type.kind === "int" && member.type.signed ? BigInt.asIntN(8 * bytes, whole) : whole;
    },
    set(name, value) {
      const member = found(name);
      const { at, bytes, shift } = place(member);
      if (member.bits === undefined) return write(at, bytes, BigInt.asUintN(8 * bytes, value));
      const mask = ((1n << BigInt(member.bits)) - 1n) << BigInt(shift);
      write(at, bytes, (read(at, bytes) & ~mask) | ((value << BigInt(shift)) & mask));
    },
    bytes(name) {
      const { at, bytes } = place(found(name));
      return memory.bytes.subarray(at, at + bytes);
    },
  };
}
