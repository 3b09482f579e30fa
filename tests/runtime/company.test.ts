// Company: option programs of ours on one cgroup and on children of it, and a program of clang's beside them. What is on the wire, to the byte.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hasClang } from "../bench/clang.ts";
import { wrong } from "./company/judge.ts";
import { company, type Seen } from "./company/scenario.ts";
import { openLab, whyNot, type Lab } from "./lab.ts";

const skip = whyNot() ?? (hasClang("clang-19") ? undefined : "no clang-19");

describe.skipIf(skip)(skip ? `company (skipped: ${skip})` : "company", () => {
  let lab: Lab;
  let seen: Seen;
  beforeAll(async () => {
    lab = openLab();
    seen = await company(lab, "mainline");
  }, 120_000);
  afterAll(() => lab?.close());

  it("every option has its own bytes, once, in order, in 40 bytes; and show says what each program costs", () => {
    expect(wrong(seen, "mainline")).toEqual([]);
  });

  it("the judge objects to foreign bytes, another order, and options that are missing", () => {
    const first = seen.segments.first.find((one) => !one.syn && one.options.filter(({ kind }) => kind > 8).length > 2)!;
    const changed = (options: (typeof first)["options"]): Seen => ({
      ...seen,
      segments: {
        ...seen.segments,
        first: seen.segments.first.map((one) => (one === first ? { ...one, options } : one)),
      },
    });
    const { options } = first;
    expect(wrong(changed(options.toReversed()), "mainline")).not.toEqual([]);
    expect(wrong(changed(options.filter(({ kind }) => kind !== 0x72)), "mainline")).not.toEqual([]);
    expect(wrong(changed(options.map((one) => ({ ...one, hex: one.hex.replace(/.$/, "0") }))), "mainline")).not.toEqual(
      [],
    );
  });
});
