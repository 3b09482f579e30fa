/** Structs of the kernel's as a test sees them: properties by the names of the language. */
import { findMember } from "../../compiler/bpf/kernel-types.ts";
import { SEEN_STRUCTS, type SeenMember, type SeenStruct } from "../../compiler/bpf/tcp-sock-members.ts";
import { TCP_STATES, type TcpStateName } from "../../compiler/bpf/tcp-states.ts";
import type { BigEndianLayout } from "../../compiler/layout.ts";
import type { KernelObject } from "../vm/kernel-objects.ts";
import type { Machine } from "../vm/machine.ts";
import { fromBytes, toBytes } from "./values.ts";

export type Value = number | bigint | boolean | symbol | string;
const EIGHTHS = 3n;

const BE: Readonly<Record<"be16" | "be32", BigEndianLayout>> = {
  be16: { kind: "be", bits: 16 },
  be32: { kind: "be", bits: 32 },
};

const membersOf = (struct: string): Readonly<Record<string, SeenMember>> => SEEN_STRUCTS[struct as SeenStruct];

/** Properties of a view of a struct, by name. */
function accessors({ kernel: { types } }: Machine, object: KernelObject): PropertyDescriptorMap {
  return Object.fromEntries(
    Object.entries(membersOf(object.struct)).map(([name, seen]) => {
      const found = findMember(types, object.struct, seen.member)!;
      const isBool = found.bits === 1 || (found.type.kind === "int" && found.type.bool === true);
      const wide = found.type.kind === "int" && found.type.bytes === 8;
      return [
        name,
        {
          enumerable: true,
          get: (): Value => {
            if (seen.as === "be16" || seen.as === "be32")
              return fromBytes(BE[seen.as], object.bytes(seen.member)) as symbol;
            const raw = object.get(seen.member);
            if (seen.as === "tcp-state")
              return (
                Object.keys(TCP_STATES).find((state) => TCP_STATES[state as TcpStateName] === Number(raw)) ?? "close"
              );
            if (isBool) return raw !== 0n;
            return wide ? raw : Number(seen.eighths ? raw >> EIGHTHS : raw);
          },
          set(value: Value) {
            if (seen.as === "be16" || seen.as === "be32")
              return void object.bytes(seen.member).set(toBytes(BE[seen.as], value, name));
            if (seen.as === "tcp-state") return object.set(seen.member, BigInt(TCP_STATES[value as TcpStateName]));
            if (
              typeof value === "symbol" ||
              typeof value === "string" ||
              (typeof value === "number" && !Number.isInteger(value))
            )
              throw new TypeError(`${name}: ${String(value)} is not a whole number`);
            const whole = BigInt(value);
            object.set(seen.member, seen.eighths ? whole << EIGHTHS : whole);
          },
        },
      ];
    }),
  );
}

/** Views that were made, and the structs in the machine's memory behind them. */
export type Viewed = WeakMap<object, KernelObject>;

/** A new struct in the machine's memory, with these properties set, and zeros. A TypeError names a property that `what` does not have. */
export function viewStruct(
  machine: Machine,
  viewed: Viewed,
  struct: SeenStruct,
  given: Readonly<Record<string, unknown>>,
  what: string,
): Record<string, unknown> {
  const object = machine.object(struct);
  const made = Object.defineProperties({}, accessors(machine, object)) as Record<string, unknown>;
  viewed.set(made, object);
  for (const [key, value] of Object.entries(given)) {
    if (!Object.hasOwn(membersOf(struct), key)) throw new TypeError(`${what} has no ${key}`);
    made[key] = value;
  }
  return made;
}
