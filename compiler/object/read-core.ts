/** CO-RE records as facts of the kernel's structs, for those kinds that this compiler emits. */
import { CORE_KINDS, type CoreKind } from "../bpf/core-kinds.ts";
import { SLOT_BYTES } from "../bpf/raw.ts";
import type { CoreRelocation } from "../module.ts";
import { resolved, type Btf, type BtfType } from "./btf.ts";
import type { BtfExt, CoreRecord } from "./btf-ext.ts";
import { stringAt } from "./bytes.ts";
import { SECTION_TYPE, type ElfFile } from "./elf.ts";
import type { Linked } from "./link.ts";
import { inOrder, recordsOf } from "./records.ts";

const KINDS = new Map<number, CoreKind>(Object.entries(CORE_KINDS).map(([name, kind]) => [kind, name as CoreKind]));
/** Deeper than structs lie in one another. */
const DEEPEST = 32;

/** Records by number of their section, in the order of their offsets. */
export function coreIndex(elf: ElfFile, ext: BtfExt | undefined): ReadonlyMap<number, readonly CoreRecord[]> {
  const index = new Map<number, readonly CoreRecord[]>();
  const claimed = new Set<string>();
  elf.sections.forEach(({ name, type }, number) => {
    const records = type === SECTION_TYPE.progbits ? ext?.core.get(name) : undefined;
    if (!records || claimed.has(name)) return;
    claimed.add(name);
    index.set(number, inOrder(records));
  });
  return index;
}

/** The facts in a linked program. What this compiler does not emit is left out. */
export function coreOf(
  linked: Linked,
  records: ReadonlyMap<number, readonly CoreRecord[]>,
  btf: Btf | undefined,
): CoreRelocation[] {
  if (!btf) return [];
  return linked.pieces.flatMap(({ part, slot }) =>
    recordsOf(records.get(part.section) ?? [], part).flatMap((record): CoreRelocation[] => {
      const kind = KINDS.get(record.kind);
      const way = kind && wayOf(btf, record);
      if (!kind || !way) return [];
      return [{ slot: slot + record.offset / SLOT_BYTES - part.start, fact: { kind, ...way } }];
    }),
  );
}

/** The struct that a record begins at, and the member that it names: the last on the way, with the parts without a type name before it. */
function wayOf(
  btf: Btf,
  { type, access }: CoreRecord,
): { readonly struct: string; readonly member: string } | undefined {
  const root = resolved(btf, type);
  const positions = stringAt(btf.strings, access)?.split(":").map(Number);
  if (root?.kind !== "struct" || !positions || positions[0] !== 0 || positions.length > DEEPEST) return undefined;
  let at: BtfType | undefined = root;
  let member: string | undefined;
  for (const position of positions.slice(1)) {
    if (at?.kind !== "struct" && at?.kind !== "union") return undefined;
    const found: { readonly name: string; readonly type: number } | undefined = at.members[position];
    if (!found) return undefined;
    member = at.name === "" && member !== undefined ? `${member}.${found.name}` : found.name;
    at = resolved(btf, found.type);
  }
  return member === undefined ? undefined : { struct: root.name.replace(/___.*$/, ""), member };
}
