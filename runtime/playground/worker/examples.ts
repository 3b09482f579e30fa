/** The bundled programs, and one that the verifier refuses. */
import type { Example } from "../protocol.ts";
import { programs } from "./programs.generated.ts";

/** Where the usual events show less than these. */
const EVENTS: Readonly<Record<string, string>> = {
  "user-timeout.ts":
    "established client\nwrite\nsend 100\nsend 100\nsend 100\n# the peer asks for 30 seconds\nparse 1c 04 00 1e\n",
};

/** A path of many turns: nothing proves that the index stays inside. */
const REFUSED = `// A program that the kernel's verifier refuses: it cannot see that the index stays inside of the list.
// The panel "Verifier" shows the path, step by step, with what is known of each register.
import { array, license, struct, u32 } from "tsbpf";
import { congestionControl, renoCongAvoid, renoSsthresh, renoUndoCwnd } from "tsbpf/cc";

license("GPL");

class Kept extends struct({ at: u32, last: array(u32, 4) }) {}

export const keeps = congestionControl({
  name: "ts_keeps",
  state: Kept,
  ssthresh(sk) {
    return sk.state.last[sk.state.at] ?? renoSsthresh(sk);
  },
  congAvoid(sk, ack, acked) {
    if (acked > 1) sk.state.at = acked;
    renoCongAvoid(sk, ack, acked);
  },
  undoCwnd: (sk) => renoUndoCwnd(sk),
});
`;

/** The one that is shown at first. */
const FIRST = "user-timeout.ts";

export function examples(): readonly Example[] {
  const names = Object.keys(programs).sort((a, b) => Number(b === FIRST) - Number(a === FIRST) || a.localeCompare(b));
  return [
    ...names.map((name) => ({ name, text: programs[name]!, events: EVENTS[name] ?? "" })),
    { name: "refused.ts", text: REFUSED, events: "" },
  ];
}
