// The table of docs/guides/option.md on the patched kernel, read from a capture there: a test per cell.
import { beforeAll, describe, expect, it } from "vitest";
import { TCP_FLAGS } from "../../compiler/bpf/kinds/sock-ops.ts";
import type { Seen, Told } from "../runtime/option-life-program.ts";
import { cachedKernel, missingTool, runInVm } from "./kernel.ts";
import { bundleScenario } from "./runtime/bundle.ts";

const kernel = cachedKernel();
const skip = kernel.missing ?? missingTool("qemu-system-x86_64", "ip", "nsenter");
const { syn, ack, fin, rst, psh } = TCP_FLAGS;

interface One {
  readonly from: "client" | "server";
  readonly flags: number;
  readonly payload: number;
  readonly told: Told | null;
}
interface Life {
  readonly name: string;
  readonly segments: readonly One[];
  readonly arrived: Readonly<Record<"client" | "server", readonly (Seen & { readonly flags: number })[]>>;
  /** 0x100 and the flags of the SYN that the listener saved. */
  readonly afterwards: number;
}

/** Programs on a cgroup, and programs on a network namespace: the same cells. */
const PLACES = { cgroup: "life", "network namespace": "life-netns" } as const;

describe.skipIf(skip).each(Object.entries(PLACES))(
  `the life of an option on the patched kernel, of a program on a %s${skip ? ` (skipped: ${skip})` : ""}`,
  (_, part) => {
    const found = new Map<string, Life>();
    beforeAll(async () => {
      const { code, stdout, stderr } = runInVm(["node", await bundleScenario(), part]);
      for (const line of stdout.split("\n"))
        if (line.startsWith('{"')) {
          const one = JSON.parse(line) as Life;
          found.set(one.name, one);
        }
      expect(code, `${stdout}\n${stderr}`).toBe(0);
      expect([...found.keys()]).toEqual(["whole", "reset", "cookie", "refusal", "nobody", "again", "end"]);
    });
    const segments = (name: string): readonly One[] => found.get(name)!.segments;
    const seen = (name: string, side: "client" | "server", flags: number): Seen | undefined =>
      found.get(name)!.arrived[side].find((one) => one.flags === flags);

    const LEAVES: Readonly<Record<string, (one: One, index: number, all: readonly One[]) => boolean>> = {
      SYN: ({ flags }) => flags === syn,
      "SYN-ACK": ({ flags }) => flags === (syn | ack),
      "third ACK": (one, _, all) => one === all.find(({ from, flags }) => from === "client" && flags === ack),
      data: ({ payload }) => payload > 0,
      "pure ACK": ({ flags, payload }) => flags === ack && payload === 0,
      FIN: ({ flags }) => (flags & fin) !== 0,
    };
    it.each(Object.entries(LEAVES))("is on the wire on %s, and is told what that is", (kind, is) => {
      const some = segments("whole").filter(is);
      expect(some.length).toBeGreaterThan(0);
      for (const { flags, payload, told } of some)
        expect({ ...told, flags: (told?.flags ?? 0) & ~psh }).toEqual({
          flags,
          payload,
          again: false,
          cookie: false,
          // synOption() in write, on the SYN-ACK.
          syn: kind === "SYN-ACK" ? syn | 0x80 : 0,
        });
    });
    it("is on a RST of a connection, which is not parsed", () => {
      expect(segments("reset").find(({ flags }) => flags & rst)?.told).toMatchObject({ flags: rst | ack, payload: 0 });
      for (const flags of [rst, rst | ack]) expect(seen("reset", "server", flags)).toBeUndefined();
    });
    it("is not on the RST of a port that nobody listens on", () => {
      expect(found.get("refusal")).toMatchObject({ from: "server", flags: rst | ack, told: null });
    });
    it("is on a SYN-ACK that is a cookie, with the SYN at hand", () => {
      expect(segments("cookie").find(({ flags }) => flags === (syn | ack))?.told).toMatchObject({ syn: syn | 0x80 });
    });
    it("is on what is sent again, which says so", () => {
      const sent = segments("again").filter(({ from, payload }) => from === "client" && payload === 7);
      expect(sent.length).toBeGreaterThan(1);
      expect(sent.map(({ told }) => told?.again)).toEqual(sent.map((_, index) => index > 0));
    });

    it("a SYN that arrives runs nothing", () => {
      expect(seen("whole", "server", syn)).toBeUndefined();
    });
    it("a SYN-ACK that arrives is parsed once, with what was on it", () => {
      expect(seen("whole", "client", syn | ack)).toMatchObject({ count: 1, option: syn | ack, syn: syn | 0x80 });
    });
    it("the third ACK is parsed, and the SYN that was saved is at hand in established", () => {
      expect(seen("whole", "server", ack)!.count).toBeGreaterThan(1);
      expect(found.get("whole")!.afterwards).toBe(0x100 + syn);
    });
    it("of a connection made from a cookie no SYN was saved", () => {
      expect(found.get("cookie")!.afterwards).toBe(0);
      expect(seen("cookie", "server", ack)!.count).toBeGreaterThan(0);
    });
    it.each([
      ["data", psh | ack],
      ["a pure ACK", ack],
      ["a FIN", fin | ack],
    ])("%s that arrives is parsed on both sides", (_, flags) => {
      for (const side of ["client", "server"] as const)
        expect(seen("whole", side, flags), side).toMatchObject({ option: flags, again: 0 });
    });
  },
);
