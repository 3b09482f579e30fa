/** What must be on the wire of the company: whose bytes, in which order, and who goes without. The same on both kernels. */
import type { TargetName } from "../../../compiler/bpf/kernels.ts";
import type { Segment } from "../capture.ts";
import { asked, CLANG, hasEvents, PROGRAMS, type CHILDREN } from "./members.ts";
import type { Seen } from "./scenario.ts";

const ROOM = 40;
/** The kernel's own: end, NOP, MSS, window scale, SACK, time stamps. */
const KERNELS = new Set([0, 1, 2, 3, 4, 5, 8]);
/** With their NOPs time stamps take 12 bytes, and are all that the kernel writes on a segment behind the handshake without holes. */
const TIME_STAMPS = 12;
const matches = (hex: string, pattern: string): boolean => new RegExp(`^${pattern.replaceAll("?", ".")}$`).test(hex);
const sizeOf = ({ hex }: { readonly hex: string }): number => hex.length / 2;

/** Options that are on every segment of this side behind the handshake, if there is room. */
function steady(child: keyof typeof CHILDREN, one: Segment, from: "client" | "server"): readonly number[] {
  const always = [0x72, CLANG.kind];
  if (from === "server") return always;
  return [...always, 183, ...(child === "second" && one.payload > 0 ? [25] : [])];
}

export function wrong(seen: Seen, target: TargetName): string[] {
  const problems: string[] = [];
  for (const child of ["first", "second"] as const) {
    const order = asked(child, target);
    const list = seen.segments[child];
    const client = list[0]!.sourcePort;
    const found = new Set<number>();
    let isOver = false;
    for (const [index, one] of list.entries()) {
      const say = (text: string): void => void problems.push(`${child}, segment ${index}: ${text}`);
      const from = one.sourcePort === client ? "client" : "server";
      const own = one.options.filter(({ kind }) => !KERNELS.has(kind));
      for (const { kind, hex } of own) {
        found.add(kind);
        const member = order.find((other) => other.kind === kind);
        if (!member) say(`an option of kind ${kind}, which is nobody's here: ${hex}`);
        else if (!matches(hex, member.hex)) say(`${hex} is not ${member.hex}`);
      }
      const kinds = own.map(({ kind }) => kind);
      const wanted = order.map(({ kind }) => kind).filter((kind) => kinds.includes(kind));
      if (String(kinds) !== String(wanted)) say(`the options are ${String(kinds)}, asked were ${String(wanted)}`);
      const bytes = one.options.reduce((sum, option) => sum + sizeOf(option), 0);
      if (bytes > ROOM) say(`${bytes} bytes of options`);
      // The client's last acknowledgement is TIME_WAIT's, which is no connection any more.
      if (!one.syn && !(isOver && from === "client")) {
        if (one.options.some(({ kind }) => kind === 5)) continue;
        let left = ROOM - TIME_STAMPS;
        for (const { kind, hex, patched } of order) {
          // The patched kernel's events grant whole words.
          const size = hasEvents(target) && hasEvents(patched) ? Math.ceil(sizeOf({ hex }) / 4) * 4 : sizeOf({ hex });
          if (kinds.includes(kind)) left -= size;
          else if (steady(child, one, from).includes(kind) && size <= left)
            say(`no option of kind ${kind}, and ${left} bytes left`);
        }
      }
      if (one.fin && from === "client") isOver = true;
    }
    const members = hasEvents(target) ? order.filter((one) => hasEvents(one.patched)) : order;
    for (const { kind } of members) if (!found.has(kind)) problems.push(`${child}: no option of kind ${kind} anywhere`);
    const synAck = list.find((one) => one.syn && one.ack);
    for (const kind of [183, 66])
      if (!synAck?.options.some((option) => option.kind === kind)) problems.push(`${child}: no ${kind} on the SYN-ACK`);
  }
  for (const [name, { runs, nsPerRun }] of Object.entries(seen.costs))
    if (runs === 0 || !nsPerRun) problems.push(`show says that ${name} had ${runs} runs of ${nsPerRun} ns`);
  if (Object.keys(seen.costs).length !== PROGRAMS)
    problems.push(`show names ${Object.keys(seen.costs).join(", ")}: not ${PROGRAMS} programs`);
  return problems;
}
