/** A window that has gone around below 0: the run ends and says so, instead of sending for hours. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { CongestionControlProgram } from "tsbpf/cc";
import { load, simulate } from "tsbpf/testing";
import { expect, test } from "vitest";
import { root } from "../programs.ts";

const SOURCE = `import { license, struct, u32 } from "tsbpf";
import { congestionControl } from "tsbpf/cc";
license("GPL");
class Own extends struct({ rounds: u32 }) {}
export const slip = congestionControl({
  name: "slip",
  state: Own,
  ssthresh: (sk) => sk.sndCwnd,
  congAvoid(sk, _ack, acked) {
    sk.sndCwnd -= 20 * acked;
  },
  undoCwnd: (sk) => sk.sndCwnd,
});
`;

test("names the flow, the time and the window", async () => {
  const folder = mkdtempSync(join(root, "node_modules/.slip-"));
  try {
    writeFileSync(join(folder, "slip.ts"), SOURCE);
    const { slip } = await load<{ slip: CongestionControlProgram<object> }>(join(folder, "slip.ts"));
    const run = () =>
      simulate({
        duration: "1s",
        path: { rate: "8mbit", delay: "20ms", queue: 50 },
        flows: [{ congestionControl: slip }],
      });
    expect(run).toThrow(/^simulate: flows\[0\]: slip has \d+ segments in flight after 0\.\d+ s, and a window of 42949/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
