// Options of several programs on one connection, on this machine's own kernel: what goes over the wire.
import { beforeAll, describe, expect, it } from "vitest";
import { hasClang } from "../bench/clang.ts";
import { whyNot } from "./lab.ts";
import { SETTINGS, wrong } from "./shared-writing/judge.ts";
import { sharedWriting, type Wire } from "./shared-writing/scenario.ts";

const skip = whyNot() ?? (hasClang("clang-19") ? undefined : "no clang-19");

describe.skipIf(skip)(
  skip ? `several options on a connection (skipped: ${skip})` : "several options on a connection",
  () => {
    const found = new Map<string, Wire>();
    beforeAll(() => sharedWriting("mainline", (name, wire) => found.set(name, wire)), 120_000);

    it.each(SETTINGS)("$name", (setting) => {
      expect(wrong(setting, found.get(setting.name))).toEqual([]);
    });
  },
);
