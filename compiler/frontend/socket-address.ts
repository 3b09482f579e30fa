/** Socket addresses, as the kernel has them in memory. */
import type { ts } from "ts-morph";
import type { Value } from "../ir/ir.ts";
import { sameLayout } from "../layout.ts";
import { at, fail, type Lowering } from "./lowering.ts";
import { asPlace, copyPlace } from "./memory.ts";
import type { Operand, Place } from "./operand.ts";
import { BE32, IP6 } from "./types.ts";
import { convert, describe } from "./values.ts";

export const AF_INET = 2n;
export const AF_INET6 = 10n;
/** struct sockaddr_in and sockaddr_in6 (include/uapi/linux/in.h, in6.h): bytes, and where the address lies. */
export const SOCKADDR = { 4: { bytes: 16, addressAt: 4 }, 6: { bytes: 28, addressAt: 8 } } as const;

interface End {
  readonly family: 4 | 6;
  readonly pointer: Value;
  readonly bytes: number;
}
/** An address, evaluated but not yet stored. */
export interface Endpoint {
  readonly addr: Operand;
  readonly addrNode: ts.Expression;
  readonly port?: Value;
}
/** The word of an IPv4 address, or where an IPv6 address lies. */
export type Address =
  { readonly value: Value; readonly place?: undefined } | { readonly place: Place; readonly value?: undefined };
/** An address of either family; reports what is none. */
export function addressOf(f: Lowering, addr: Operand, node: ts.Expression): Address | undefined {
  if (addr.kind === "error") return undefined;
  if (addr.kind !== "place" && addr.kind !== "nullable") {
    const value = convert(f, addr, BE32, node);
    return value && { value };
  }
  const place = asPlace(f, addr, node);
  if (place && sameLayout(place.type, IP6)) return { place };
  return void fail(f, "type-mismatch", node, { expected: "an IPv4 or IPv6 address", found: describe(addr) });
}

/** Fills a socket address at `pointer + offset`. */
export function sockaddr(f: Lowering, end: Endpoint, pointer: Value, offset: number): End | undefined {
  const span = at(f, end.addrNode);
  const found = addressOf(f, end.addr, end.addrNode);
  if (!found) return undefined;
  const { value, place } = found;
  const family = place ? 6 : 4;
  const { bytes, addressAt } = SOCKADDR[family];
  const half = (n: bigint): Value => f.b.constant("w32", n, span);
  f.b.store(2, pointer, offset, half(place ? AF_INET6 : AF_INET), span);
  f.b.store(2, pointer, offset + 2, end.port ?? half(0n), span);
  if (value) {
    f.b.store(4, pointer, offset + addressAt, value, span);
    f.b.zero(pointer, offset + 8, 8, 4, span);
  } else {
    f.b.zero(pointer, offset + 4, 4, 4, span);
    copyPlace(f, place.type, { base: pointer, offset: offset + addressAt, align: 4 }, place.at, end.addrNode);
    f.b.zero(pointer, offset + 24, 4, 4, span);
  }
  return { family, pointer, bytes };
}
