/** `npm run test:differential -- vm|containment|verifier|selftests|states|contexts|helpers|objects …`: the long runs against the kernel and the verifier, which CI does in small. */
import { containmentMain } from "./containment-run.ts";
import { contextsMain } from "./contexts-run.ts";
import { helpersMain } from "./helpers-run.ts";
import { objectsMain } from "./objects-run.ts";
import { selftestsMain } from "./selftests-run.ts";
import { statesMain, verifierMain } from "./verifier-run.ts";
import { vmMain } from "./vm.ts";

const COMMANDS: Readonly<Record<string, (args: readonly string[]) => number>> = {
  vm: vmMain,
  containment: containmentMain,
  verifier: verifierMain,
  selftests: selftestsMain,
  states: statesMain,
  contexts: contextsMain,
  helpers: helpersMain,
  objects: objectsMain,
};
const [name = "", ...args] = process.argv.slice(2);
const run = COMMANDS[name];
if (run) process.exitCode = run(args);
else {
  console.error(`usage: npm run test:differential -- ${Object.keys(COMMANDS).join("|")} [--count N] [--seed N]`);
  process.exitCode = 2;
}
