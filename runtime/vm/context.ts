/** struct bpf_sock_ops in the machine's memory: what the kernel lets a program see of it, field by field. */
import { has, type Kernel } from "../../compiler/bpf/kernels.ts";
import { type ContextField } from "../../compiler/bpf/kinds/index.ts";
import { SOCK_OPS_FIELDS, type SockOpsField } from "../../compiler/bpf/kinds/sock-ops.ts";
import type { Guard, Memory, Region } from "./memory.ts";

/** Current value of a field (of one element of it), as the program reads it. */
export type ReadField = (field: SockOpsField, index: number) => number | bigint;

const rows = Object.entries(SOCK_OPS_FIELDS) as [SockOpsField, ContextField][];
const endOf = (row: ContextField): number => row.offset + row.bytes * (row.count ?? 1);

/** The rules of sock_ops_is_valid_access (net/core/filter.c). */
function guardFor(kernel: Kernel): Guard {
  return (offset, bytes, write) => {
    const hit = rows.find(([, row]) => offset >= row.offset && offset < endOf(row));
    const verb = write ? "write" : "read";
    if (!hit) return `${verb} of ${bytes} bytes at offset ${offset} of the context, where no field lies`;
    const [name, row] = hit;
    if (row.needs && !has(kernel, row.needs))
      return `${verb} of the context's ${name}, which target "${kernel.name}" does not have`;
    if (write && !row.writable) return `write to the context's ${name}, which is read-only`;
    const within = (offset - row.offset) % row.bytes;
    if (bytes === row.bytes && within === 0) return undefined;
    if (!write && row.narrow && bytes < row.bytes && within % bytes === 0) return undefined;
    return `${verb} of ${bytes} bytes at offset ${within} of the context's ${name}, which has ${row.bytes}`;
  };
}

export interface SockOpsContext {
  readonly address: bigint;
  /** Brings every field up to date, except what the program itself writes. */
  fill(read: ReadField, also?: { readonly writable: boolean }): void;
  /** args[0] … args[3], which are reply and replylong too, as they stand now. */
  args(): readonly number[];
}

export function createSockOpsContext(memory: Memory, kernel: Kernel): SockOpsContext {
  const size = Math.max(...rows.map(([, row]) => endOf(row)));
  const region: Region = memory.allocate({ name: "the context", size, access: guardFor(kernel) });
  const start = memory.arenaStart + region.start;
  const { view } = memory;
  return {
    address: memory.address(region),
    fill(read, also) {
      for (const [name, row] of rows) {
        if (row.writable && !also?.writable) continue;
        for (let index = 0; index < (row.count ?? 1); index++) {
          const value = BigInt(read(name, index));
          const at = start + row.offset + index * row.bytes;
          if (row.bytes === 8) view.setBigUint64(at, BigInt.asUintN(64, value), true);
          else view.setUint32(at, Number(BigInt.asUintN(32, value)), true);
        }
      }
    },
    args: () => [0, 1, 2, 3].map((index) => view.getUint32(start + SOCK_OPS_FIELDS.args.offset + 4 * index, true)),
  };
}
