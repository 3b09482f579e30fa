/**
 * The command `tsbpf`, as the launchers in bin/ start it: either it runs at once, or, while Node builds a startup
 * snapshot, it gets ready and runs whenever a process starts from that snapshot.
 */
import { startupSnapshot } from "node:v8";
import { main } from "./command.ts";
import { keepHangUp } from "./hang-up.ts";
import { watchOutput } from "./output.ts";
import { warmUp } from "./warm-up.ts";

function start(): void {
  keepHangUp();
  watchOutput();
  void main(process.argv.slice(2)).then((code) => {
    process.exitCode = code;
  });
}

if (startupSnapshot.isBuildingSnapshot()) {
  // The functions that a compilation runs keep their bytecode in the snapshot, so they have to run before it is taken.
  void warmUp().then(() => startupSnapshot.setDeserializeMainFunction(start));
} else if (process.env["TSBPF_WARM_UP"]) {
  // The same for V8's code cache, which bin/startup.cjs takes afterwards.
  void warmUp();
} else {
  start();
}
