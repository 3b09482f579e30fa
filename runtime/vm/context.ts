/** A program's context in the machine's memory: what the kernel lets a program see of it, field by field. */
import { contextAccess, type ContextLayout } from "../../compiler/bpf/kinds/access.ts";
import { isThere, isWritable } from "../../compiler/bpf/kinds/fields.ts";
import { contextLayout, type CompiledKind, type ContextField } from "../../compiler/bpf/kinds/index.ts";
import { has, type Kernel } from "../../compiler/bpf/kernels.ts";
import { NEWEST } from "../../compiler/bpf/verifier-rules.ts";
import type { Guard, Memory, Region } from "./memory.ts";

/** Current value of a field (of one element of it), as the program reads it. */
export type ReadField = (field: string, index: number) => number | bigint;

type Rows = readonly (readonly [name: string, field: ContextField])[];
const endOf = (row: ContextField): number => row.offset + row.bytes * (row.count ?? 1);

/** The kernel's rules (…_is_valid_access), and words for what they forbid. */
function guardFor(kernel: Kernel, layout: ContextLayout, rows: Rows, attach: number): Guard {
  return (offset, bytes, write) => {
    const verb = write ? "write" : "read";
    const hit = rows.find(([, row]) => offset >= row.offset && offset < endOf(row));
    if (!hit) return `${verb} of ${bytes} bytes at offset ${offset} of the context, where no field lies`;
    const [name, row] = hit;
    if (row.needs && !has(kernel, row.needs))
      return `${verb} of the context's ${name}, which target "${kernel.name}" does not have`;
    if (contextAccess(layout, offset, bytes, verb, false)) return undefined;
    if (!isThere(row, attach))
      return `${verb} of the context's ${name}, which programs of this attach type do not have`;
    if (write && !(isWritable(row, attach) && contextAccess(layout, offset, row.bytes, "write", false)))
      return `write to the context's ${name}, which is read-only`;
    return `${verb} of ${bytes} bytes at offset ${(offset - row.offset) % row.bytes} of the context's ${name}, which has ${row.bytes}`;
  };
}

export interface ProgramContext {
  readonly address: bigint;
  /** Brings every field up to date, except what the program itself writes. */
  fill(read: ReadField, also?: { readonly writable: boolean }): void;
  /** A field (one element of it) as it stands now; 0 where the kind has none of that name. */
  get(field: string, index?: number): bigint;
}

/** Memory for the context of programs of one kind and attach type. */
export function createContext(
  memory: Memory,
  kernel: Kernel,
  type: string,
  kind: Pick<CompiledKind, "fields">,
  attach: number,
): ProgramContext {
  const rows: Rows = Object.entries(kind.fields);
  const layout = contextLayout(type, attach, kernel.features, NEWEST)!;
  const size = Math.max(...rows.map(([, row]) => endOf(row)));
  const region: Region = memory.allocate({
    name: "the context",
    size,
    access: guardFor(kernel, layout, rows, attach),
  });
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
    get(name, index = 0) {
      const row = kind.fields[name];
      if (!row) return 0n;
      const at = start + row.offset + index * row.bytes;
      return row.bytes === 8 ? view.getBigUint64(at, true) : BigInt(view.getUint32(at, true));
    },
  };
}
