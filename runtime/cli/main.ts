/**
 * The command `tsbpf`, as the launchers in bin/ start it: either it runs at once, or, while Node builds a startup
 * snapshot, it gets ready and runs whenever a process starts from that snapshot.
 */
import { setFlagsFromString, startupSnapshot } from "node:v8";
import { main } from "./command.ts";
import { keepHangUp } from "./hang-up.ts";
import { leave, watchOutput } from "./output.ts";
import { warmUp } from "./warm-up.ts";

export { library } from "./library.ts";

/** Whether `tsbpf/compiler` and the like take their part of the bundle: then nothing starts. The launchers give a module without a name. */
const isLibrary = typeof module === "object" && module.id !== undefined && module.id !== ".";

async function start(): Promise<void> {
  keepHangUp();
  watchOutput();
  process.exitCode = await main(process.argv.slice(2));
}

if (startupSnapshot.isBuildingSnapshot()) {
  // The functions that a compilation runs keep their bytecode in the snapshot, so they have to run before it is taken.
  // Machine code does not stay, but V8 remembers who had some, and would make it again at the first call in each process, though most
  // of these functions run a few times only.
  setFlagsFromString("--no-sparkplug");
  void warmUp().then(() => {
    setFlagsFromString("--sparkplug");
    // What starts from a snapshot only compiles: it leaves nothing behind that has to go on. After this turn, failures to write are known.
    startupSnapshot.setDeserializeMainFunction(() => void start().then(() => setImmediate(leave)));
  });
} else if (process.env["TSBPF_WARM_UP"]) {
  // The same for V8's code cache, which bin/startup.cjs takes afterwards.
  void warmUp();
} else if (!isLibrary) {
  void start();
}
