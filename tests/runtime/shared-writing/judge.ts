/** What must be on the wire in each setting: the same on both kernels. */
import { SEGMENTS, SETTINGS, type Setting, type Who, type Wire } from "./scenario.ts";

/**
 * The client's data segments that carry each program's option. Whether an acknowledgement goes by itself, and with it the
 * last option of a program that counts, is a matter of time.
 */
interface Writes {
  readonly kind: number;
  readonly least: number;
  readonly most: number;
}
const LASTS: Readonly<Record<Exclude<Who, "always+once">, Writes>> = {
  always: { kind: 100, least: SEGMENTS, most: SEGMENTS },
  once: { kind: 101, least: 1, most: 2 },
  later: { kind: 102, least: 3, most: 4 },
  clang: { kind: 210, least: SEGMENTS, most: SEGMENTS },
  "clang-stops": { kind: 210, least: 1, most: 1 },
};
const each = (who: Who): readonly Writes[] => (who === "always+once" ? [LASTS.always, LASTS.once] : [LASTS[who]]);

/** What is wrong with what was on the wire; nothing: it is as it must be. */
export function wrong(setting: Setting, wire: Wire | undefined): string[] {
  if (!wire) return ["the setting was not run"];
  const all = [...(setting.parent ?? []), ...setting.child];
  const problems: string[] = [];
  const judge = (side: "client" | "server", programs: readonly Writes[]): void => {
    if (wire[side].length !== SEGMENTS) problems.push(`${wire[side].length} segments of the ${side}, not ${SEGMENTS}`);
    wire[side].forEach((kinds, index) => {
      const must = programs.filter((one) => index < one.least).map((one) => one.kind);
      const may = programs.filter((one) => index < one.most).map((one) => one.kind);
      for (const kind of must)
        if (!kinds.includes(kind)) problems.push(`no option ${kind} on data segment ${index + 1} of the ${side}`);
      for (const kind of kinds)
        if (!may.includes(kind)) problems.push(`option ${kind} on data segment ${index + 1} of the ${side}`);
    });
  };
  judge("client", all.flatMap(each));
  // Ours write on the client alone; clang's on both sides.
  judge("server", all.filter((who) => who.startsWith("clang")).flatMap(each));
  // Whoever writes to the end keeps the flag set; nobody is asked once it is clear.
  const writesOn = all.flatMap(each).some((one) => one.least === SEGMENTS);
  if (wire.askedAtEnd > 0 !== writesOn) problems.push(`programs were asked ${wire.askedAtEnd} times at the end`);
  return problems;
}
export { SETTINGS };
