import { ipv4 } from "tsbpf";
import { load } from "tsbpf/testing";
import { describe, expect, test } from "vitest";

const source = new URL("../backup-by-rtt.ts", import.meta.url);
type Module = typeof import("../backup-by-rtt.ts");

/** The subflow that came up. */
const OWN = "own address → session's address";

describe("backup by round-trip time", () => {
  /** Subflows from 10.1.0.1, 10.1.0.2, … come up with these times, in microseconds: what becomes a backup then, by turn. */
  const demoted = async (times: readonly number[], params: { factor?: number } = {}): Promise<string[]> => {
    const { backupByRtt, quickest } = await load<Module>(source, { params });
    const told = (): string[] =>
      [...backupByRtt.history.matchAll(/mptcp_set_priority(.*) backup (\d)/g)].map(([, path, backup]) => {
        expect(backup).toBe("1");
        return path!.trim();
      });
    const turns = times.map((srttUs, index) => {
      const before = told().length;
      const localIp4 = ipv4(`10.1.0.${index + 1}` as "10.1.0.1");
      backupByRtt.emit("subflowEstablished", {}, { token: 7, srttUs, localIp4, remoteIp4: ipv4("10.9.0.1") });
      return told().slice(before).join("; ");
    });
    expect(quickest.size).toBe(times.some((one) => one > 0) ? 1 : 0);
    backupByRtt.emit("closeSession", {}, { token: 7 });
    expect(quickest.size).toBe(0);
    return turns;
  };

  test("the first, and one that takes about as long, stay as they are", async () => {
    expect(await demoted([10_000, 20_000, 9_000, 12_000])).toEqual(["", "", "", ""]);
  });
  test("one that takes much longer becomes a backup", async () => {
    expect(await demoted([10_000, 20_001])).toEqual(["", OWN]);
    expect(await demoted([10_000, 30_000, 30_001], { factor: 3 })).toEqual(["", "", OWN]);
  });
  test("one that is much quicker makes the quickest before it one", async () => {
    expect(await demoted([50_000, 24_999, 60_000])).toEqual(["", "10.1.0.1:* → 10.9.0.1:*", OWN]);
  });
  test("where times are not known, nothing changes", async () => {
    expect(await demoted([0, 0])).toEqual(["", ""]);
  });
});
