/** Tail merging: equal instructions at the end of several paths stand once. */
import { insnKey, type Finish, type MachineBlock, type Reg } from "./insn.ts";

/** Blocks that end alike share the longest common end; nothing changes where a jump would cost what it saves. */
export function shareTails(blocks: readonly MachineBlock<Reg>[]): MachineBlock<Reg>[] {
  let current = [...blocks];
  let nextId = blocks.reduce((most, block) => Math.max(most, block.id + 1), 0);
  for (let rounds = 0; rounds < 16; rounds++) {
    const groups = new Map<string, MachineBlock<Reg>[]>();
    for (const block of current) {
      const last = block.insns.at(-1);
      if (!last && block.end.kind !== "exit") continue;
      const key = `${endKey(block.end)}|${last ? insnKey(last) : ""}`;
      if (block.end.kind === "branch") continue;
      const list = groups.get(key);
      if (list) list.push(block);
      else groups.set(key, [block]);
    }
    const changed = new Map<number, MachineBlock<Reg>>();
    const added: MachineBlock<Reg>[] = [];
    for (const group of groups.values()) {
      if (group.length < 2) continue;
      const [first] = group;
      if (!first || group.some((block) => changed.has(block.id))) continue;
      const common = commonTail(group);
      const whole = group.find((block) => block.insns.length === common);
      if (common === 0 && !whole) continue;
      const tailEnd = first.end;
      const id = whole ? whole.id : nextId++;
      if (!whole) added.push({ id, insns: first.insns.slice(first.insns.length - common), end: tailEnd });
      for (const block of group) {
        if (block === whole) continue;
        changed.set(block.id, {
          ...block,
          insns: block.insns.slice(0, block.insns.length - common),
          end: { kind: "jump", to: id, span: block.end.span },
        });
      }
    }
    if (changed.size === 0) break;
    current = [...current.map((block) => changed.get(block.id) ?? block), ...added];
  }
  return current;
}

function commonTail(group: readonly MachineBlock<Reg>[]): number {
  const [first, ...others] = group;
  let length = 0;
  for (;;) {
    const insn = first!.insns.at(-1 - length);
    if (!insn) return length;
    const key = insnKey(insn);
    if (
      !others.every((block) => {
        const other = block.insns.at(-1 - length);
        return other !== undefined && insnKey(other) === key;
      })
    )
      return length;
    length++;
  }
}

const endKey = (end: Finish<Reg>): string => (end.kind === "jump" ? `jump ${end.to}` : end.kind);
