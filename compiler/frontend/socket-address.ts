/** Socket addresses, as the kernel has them in memory. */
import type { ts } from "ts-morph";
import type { Value } from "../ir/ir.ts";
import { at, fail, type Lowering } from "./lowering.ts";
import { asPlace, copyPlace } from "./memory.ts";
import type { Operand } from "./operand.ts";
import { BE32 } from "./types.ts";
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
/** Fills a socket address at `pointer + offset`. */
export function sockaddr(f: Lowering, end: Endpoint, pointer: Value, offset: number): End | undefined {
  const span = at(f, end.addrNode);
  const isPlace = end.addr.kind === "place" || end.addr.kind === "nullable";
  const place = isPlace ? asPlace(f, end.addr, end.addrNode) : undefined;
  if (
    isPlace &&
    !(
      place?.type.kind === "array" &&
      place.type.length === 4 &&
      place.type.of.kind === "be" &&
      place.type.of.bits === 32
    )
  ) {
    return void fail(f, "type-mismatch", end.addrNode, {
      expected: "an IPv4 or IPv6 address",
      found: describe(end.addr),
    });
  }
  const family = place ? 6 : 4;
  const { bytes, addressAt } = SOCKADDR[family];
  const value = place ? undefined : convert(f, end.addr, BE32, end.addrNode);
  if (!place && !value) return undefined;
  const half = (n: bigint): Value => f.b.constant("w32", n, span);
  f.b.store(2, pointer, offset, half(place ? AF_INET6 : AF_INET), span);
  f.b.store(2, pointer, offset + 2, end.port ?? half(0n), span);
  if (value) {
    f.b.store(4, pointer, offset + addressAt, value, span);
    f.b.zero(pointer, offset + 8, 8, 4, span);
  } else if (place) {
    f.b.zero(pointer, offset + 4, 4, 4, span);
    copyPlace(f, place.type, { base: pointer, offset: offset + addressAt, align: 4 }, place.at, end.addrNode);
    f.b.zero(pointer, offset + 24, 4, 4, span);
  }
  return { family, pointer, bytes };
}
