// The model of tsbpf/testing beside this machine's kernel: what one recorder program writes down in both.
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { whyNot } from "./lab.ts";
import { differences } from "./recorder/compare.ts";
import { limitsOfKernel, recordKernel, whyNoLoss } from "./recorder/kernel.ts";
import { limitsTable } from "./recorder/limits.ts";
import { limitsOfModel, recordModel } from "./recorder/model.ts";
import { SESSIONS, timeouts } from "./recorder/session.ts";

const skip = whyNot();

describe.skipIf(skip)(skip ? `the model and the kernel (skipped: ${skip})` : "the model and the kernel", () => {
  it.for(SESSIONS)(
    "have the same events, with the same fields and answers: $name",
    { timeout: 120_000 },
    async (session, { skip: leave }) => {
      const without = session.loses ? whyNoLoss() : undefined;
      if (without !== undefined) leave(without);
      const kernel = await recordKernel("mainline", session);
      const model = await recordModel("mainline", session, timeouts(kernel));
      expect(differences(kernel, model)).toEqual([]);
      // A comparison that finds nothing must be able to find something.
      const spoiled = {
        ...model,
        client: model.client.map((one) => ({ ...one, dataSegsOut: Number(one.dataSegsOut) + 1 })),
      };
      expect(differences(model, spoiled).length).toBeGreaterThan(0);
      expect(timeouts(kernel) > 0).toBe(session.loses === true);
    },
  );

  it("take the same values of socket options", { timeout: 120_000 }, async () => {
    const kernel = await limitsOfKernel("mainline");
    const available = readFileSync("/proc/sys/net/ipv4/tcp_available_congestion_control", "utf8").trim().split(/\s+/);
    // How many ticks a second this kernel's clock has shows in nothing else.
    const clocks = [100, 250, 300, 1000];
    const models = await Promise.all(clocks.map((hz) => limitsOfModel("mainline", hz, available)));
    const equal = clocks.filter((_, index) => models[index]!.join() === kernel.join());
    if (equal.length === 0) expect(limitsTable("mainline", models[1]!)).toBe(limitsTable("mainline", kernel));
    expect(new Set(kernel).size).toBeGreaterThan(2);
  });
});
