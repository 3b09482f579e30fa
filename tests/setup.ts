import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * Builds dist/ once, so that tests of the command run what is in the sources. Everything that tests start has a home, a
 * cache directory and a directory of records of its own: none touches the user's.
 */
export default function setup(): () => void {
  execFileSync(process.execPath, [fileURLToPath(new URL("../scripts/build.mjs", import.meta.url))], {
    stdio: "inherit",
  });
  const own = mkdtempSync(join(tmpdir(), "tsbpf-home-"));
  process.env["HOME"] = own;
  process.env["XDG_CACHE_HOME"] = join(own, ".cache");
  process.env["XDG_RUNTIME_DIR"] = join(own, "run");
  process.env["TSBPF_RUN_DIR"] = join(own, "records");
  return () => rmSync(own, { recursive: true, force: true });
}
