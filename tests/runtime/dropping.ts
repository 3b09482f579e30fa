/** A path that loses some segments: a classic packet filter where they arrive, which every kernel and `tc` have. */
import { openLab, sh } from "./lab.ts";

export const FAMILIES = ["IPv4", "IPv6"] as const;
export type Family = (typeof FAMILIES)[number];
/** Which segments are lost; all of what is given must fit. */
export interface Lost {
  readonly to?: number;
  readonly from?: number;
  /** Of the header's flags those in `of` must be as in `are`. */
  readonly flags?: { readonly of: number; readonly are: number };
  /** The first option behind the time stamps. */
  readonly kind?: number;
}

const ETHERNET = 14;
const TCP = 6;
const HEADERS = {
  IPv4: { type: 0x0800, protocol: ETHERNET + 9, length: 20 },
  IPv6: { type: 0x86dd, protocol: ETHERNET + 6, length: 40 },
} as const;
/** With NOPs before them time stamps take 12 bytes of the options. */
const OPTION_BEHIND_TIME_STAMPS = 20 + 12;

/** Codes of classic BPF (include/uapi/linux/bpf_common.h). */
const CODE = { loadHalf: 0x28, loadByte: 0x30, and: 0x54, ifEqual: 0x15, ret: 0x06 } as const;
const LET_THROUGH = 0xffff_ffff;
const DROP = 2;

interface Test {
  readonly at: number;
  readonly bytes: 1 | 2;
  readonly mask?: number;
  readonly value: number;
}
function filterOf(family: Family, { to, from, flags, kind }: Lost): string {
  const { type, protocol, length } = HEADERS[family];
  const tcp = ETHERNET + length;
  const tests: readonly Test[] = [
    { at: 12, bytes: 2, value: type },
    { at: protocol, bytes: 1, value: TCP },
    ...(from === undefined ? [] : [{ at: tcp, bytes: 2, value: from } as const]),
    ...(to === undefined ? [] : [{ at: tcp + 2, bytes: 2, value: to } as const]),
    ...(flags ? [{ at: tcp + 13, bytes: 1, mask: flags.of, value: flags.are } as const] : []),
    ...(kind === undefined ? [] : [{ at: tcp + OPTION_BEHIND_TIME_STAMPS, bytes: 1, value: kind } as const]),
  ];
  const steps = tests.map(({ at, bytes, mask, value }) => [
    [bytes === 2 ? CODE.loadHalf : CODE.loadByte, 0, 0, at],
    ...(mask === undefined ? [] : [[CODE.and, 0, 0, mask]]),
    [CODE.ifEqual, 0, 0, value],
  ]);
  const size = steps.flat().length;
  let next = 0;
  const code = steps.flat().map((step) => {
    next++;
    // Where one test fails, the segment is let through: behind the last of them, and behind the drop.
    return step[0] === CODE.ifEqual ? [step[0], 0, size - next + 1, step[3]!] : step;
  });
  const program = [...code, [CODE.ret, 0, 0, DROP], [CODE.ret, 0, 0, LET_THROUGH]];
  return [program.length, ...program.map((step) => step.join(" "))].join(",");
}

/** From now on such segments are lost where they arrive at a device, until what this gives is called. */
export function lose(netns: string, device: string, family: Family, ...what: readonly Lost[]): () => void {
  const tc = (...args: string[]): string => sh("tc", "-n", netns, ...args);
  tc("qdisc", "add", "dev", device, "clsact");
  for (const one of what) tc("filter", "add", "dev", device, "ingress", "bpf", "da", "bytecode", filterOf(family, one));
  return () => tc("qdisc", "del", "dev", device, "clsact");
}

/** Why segments cannot be lost here; undefined: they can. */
export function noLosses(): string | undefined {
  const lab = openLab();
  try {
    lose(lab.netns("losses"), "lo", "IPv4", { to: 9 })();
    return undefined;
  } catch (error) {
    return `tc loses nothing here: ${(error as Error).message.split("\n")[0]}`;
  } finally {
    lab.close();
  }
}
