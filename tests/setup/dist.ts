import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";

/** For the tests of the command: builds dist/ once, so that what they run is what is in the sources. */
export default function setup(): void {
  execFileSync(process.execPath, [fileURLToPath(new URL("../../scripts/build.mjs", import.meta.url))], {
    stdio: "inherit",
  });
}
