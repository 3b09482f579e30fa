/** CO-RE by us: members that lie elsewhere in another kernel. */
import { describe, expect, test } from "vitest";
import { kernelTypes, type KernelTypes } from "../../compiler/bpf/kernel-types.ts";
import { withCoreFacts } from "../../runtime/kernel/core.ts";
import { compiled } from "./compiled.ts";

const TEXT = `
import { license } from "tsbpf";
import { congestionControl, renoCongAvoid } from "tsbpf/cc";
license("GPL");
export const cc = congestionControl({
  ssthresh: (sk) => (sk.isCwndLimited ? sk.sndCwnd : 2),
  congAvoid: (sk, ack, acked) => renoCongAvoid(sk, ack, acked),
  undoCwnd(sk) { sk.sndSsthresh = 7; return sk.sndCwnd; },
});
`;
const program = (name: string) => compiled("cc", undefined, TEXT).programs.find((one) => one.name === name)!;

/** The repository's types, with each member of tcp_sock but the first so many bits farther on. */
function moved(
  by: number,
  change: (name: string, bits: number | undefined) => number | undefined = (_, bits) => bits,
): KernelTypes {
  const { structs } = kernelTypes();
  const tcp = structs.get("tcp_sock")!;
  const members = tcp.members.map((one, index) => {
    const bits = change(one.name, one.bits);
    return { ...one, offset: index === 0 ? 0 : one.offset + by, ...(bits === undefined ? {} : { bits }) };
  });
  return { release: "moved", structs: new Map([...structs, ["tcp_sock", { ...tcp, members }]]) };
}

describe("facts of another kernel", () => {
  test("offsets of loads and stores follow", () => {
    const { insns } = program("cc_undo_cwnd");
    const there = withCoreFacts(program("cc_undo_cwnd"), insns, moved(64));
    const offsets = (list: typeof insns) => list.filter(({ off }) => off > 0).map(({ off }) => off);
    expect(offsets(insns).length).toBe(2);
    expect(offsets(there)).toEqual(offsets(insns).map((off) => off + 8));
  });

  test("a bit field's shifts follow", () => {
    const one = program("cc_ssthresh");
    const shifts = (list: typeof one.insns) =>
      list.filter(({ code }) => code === 0x67 || code === 0x77).map(({ imm }) => imm);
    expect(shifts(one.insns)).toEqual([60, 63]);
    expect(shifts(withCoreFacts(one, one.insns, moved(2)))).toEqual([58, 63]);
  });

  test("a member that is gone, or has another size, is told of", () => {
    const one = program("cc_undo_cwnd");
    const { structs } = kernelTypes();
    const tcp = structs.get("tcp_sock")!;
    const other = (change: (name: string) => boolean, wide = false): KernelTypes => ({
      release: "other",
      structs: new Map([
        ...structs,
        [
          "tcp_sock",
          {
            ...tcp,
            members: tcp.members.flatMap((member) =>
              !change(member.name)
                ? [member]
                : wide
                  ? [{ ...member, type: { kind: "int", bytes: 8, signed: false } as const }]
                  : [],
            ),
          },
        ],
      ]),
    });
    expect(() =>
      withCoreFacts(
        one,
        one.insns,
        other((name) => name === "snd_cwnd"),
      ),
    ).toThrow(/has no snd_cwnd/);
    expect(() =>
      withCoreFacts(
        one,
        one.insns,
        other((name) => name === "snd_cwnd", true),
      ),
    ).toThrow(/another size/);
  });
});
