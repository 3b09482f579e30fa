/**
 * How fast the simulator is: round trips and acknowledgements per second of the processor's time, for the model's own reno and for the bytecode
 * under both engines of the virtual machine.
 * usage: npm run bench:simulator
 */
import { load } from "../../runtime/testing/load.ts";
import { simulate } from "../../runtime/testing/simulator/simulate.ts";

const SECONDS = 200;
const REPEATS = 5;
const source = new URL(`file://${process.cwd()}/programs/reno.ts`);
const loaded = async (engine: "interpreter" | "translator"): Promise<unknown> => (await load(source, { engine })).reno;

const subjects = {
  "reno of the model": "reno",
  "reno.ts, interpreted": await loaded("interpreter"),
  "reno.ts, translated": await loaded("translator"),
};
for (const [name, congestionControl] of Object.entries(subjects)) {
  const figures = Array.from({ length: REPEATS }, () => {
    const before = process.cpuUsage();
    const { flows, time } = simulate({
      duration: `${SECONDS}s`,
      path: { rate: "8mbit", delay: "20ms", queue: 27 },
      flows: [{ congestionControl }],
    });
    const { user, system } = process.cpuUsage(before);
    const { rttMs, calls } = flows[0]!;
    let roundTrips = 0;
    for (let at = 1; at < time.length; at++)
      if (rttMs[at]! > 0) roundTrips += ((time[at]! - time[at - 1]!) * 1000) / rttMs[at]!;
    const seconds = (user + system) / 1e6;
    return { roundTrips: roundTrips / seconds, acks: calls.congAvoid / seconds, real: SECONDS / seconds };
  });
  const best = figures.toSorted((a, b) => b.roundTrips - a.roundTrips)[0]!;
  const shown = (value: number): string => Math.round(value).toLocaleString("en");
  console.log(
    `${name.padEnd(22)} ${shown(best.roundTrips)} round trips, ${shown(best.acks)} calls of congAvoid, ${shown(best.real)} simulated seconds per second`,
  );
}
