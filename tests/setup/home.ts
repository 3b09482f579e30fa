import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { embed } from "../../scripts/embed.mjs";

/**
 * For every project of the tests. Everything that they start has a home, a cache directory and a directory of records of
 * its own: none touches the user's. The generated sources are brought up to date, which takes milliseconds.
 */
export default function setup(): () => void {
  embed();
  const own = mkdtempSync(join(tmpdir(), "tsbpf-home-"));
  process.env["HOME"] = own;
  process.env["XDG_CACHE_HOME"] = join(own, ".cache");
  process.env["XDG_RUNTIME_DIR"] = join(own, "run");
  process.env["TSBPF_RUN_DIR"] = join(own, "records");
  // A snapshot that somebody makes in the background may still write there.
  return () => rmSync(own, { recursive: true, force: true, maxRetries: 20, retryDelay: 250 });
}
