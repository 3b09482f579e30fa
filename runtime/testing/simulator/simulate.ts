/** `simulate`: flows over a path, for some simulated time. */
import { createClock } from "./clock.ts";
import { createFlow, schemeFor } from "./flow.ts";
import { planOf, type SimulationOptions } from "./options.ts";
import { runOf, type Run } from "./results.ts";
import { ending, pass, samplesOf, watchedPath } from "./run.ts";

/** See tsbpf/testing's declarations. */
export function simulate(options: SimulationOptions): Run {
  const plan = planOf(options);
  return ending(plan.seed, (ends) => {
    const clock = createClock();
    const samples = samplesOf(plan);
    const { path, record, sample } = watchedPath(clock, plan.path, plan.seed, samples);
    const schemes = options.flows.map(({ congestionControl }, index) =>
      schemeFor(congestionControl, `flows[${index}].congestionControl`, ends),
    );
    const flows = plan.flows.map((flow, index) =>
      createFlow({
        clock,
        path,
        scheme: schemes[index]!,
        index,
        who: `flow ${index}`,
        place: `flows[${index}]`,
        mss: plan.path.mss,
        plan: flow,
        samples,
      }),
    );
    const time = new Float64Array(samples);
    pass(clock, plan, (at, seconds) => {
      time[at] = seconds;
      sample(at);
      for (const flow of flows) flow.sample(at);
    });
    for (const flow of flows) flow.close();
    return runOf({ ...record, time, flows: flows.map((flow) => flow.record) });
  });
}
