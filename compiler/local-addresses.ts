/**
 * The addresses of this host, as programs read them (`session.localAddresses()`) and as the runtime keeps them: an array map whose one value is
 * a struct of this name and shape. Programs in C have their addresses kept in the same way.
 */
import { sameLayout, structLayout, type Layout } from "./layout.ts";

const be32: Layout = { kind: "be", bits: 32 };
/** One address, as the event of its coming tells it. A family of 0: the slot is free. */
export const LOCAL_ADDRESS = structLayout(
  "HostAddress",
  [
    { name: "addr", layout: be32 },
    { name: "family", layout: { kind: "int", bits: 32, signed: false } },
    { name: "addr6", layout: { kind: "array", of: be32, length: 4 } },
  ],
  false,
);
/** As many as the kernel's own path manager has endpoints (MPTCP_PM_ADDR_MAX). */
export const MOST_LOCAL_ADDRESSES = 8;
export const LOCAL_ADDRESSES = structLayout(
  "local_addresses",
  [{ name: "list", layout: { kind: "array", of: LOCAL_ADDRESS, length: MOST_LOCAL_ADDRESSES } }],
  false,
);

/** Is it such a map? One of another shape is the program's own, whatever its struct is called. */
export const holdsLocalAddresses = (map: { readonly type: string; readonly value?: Layout }): boolean =>
  map.type === "array" &&
  map.value?.kind === "struct" &&
  map.value.name === LOCAL_ADDRESSES.name &&
  sameLayout(map.value, LOCAL_ADDRESSES);
