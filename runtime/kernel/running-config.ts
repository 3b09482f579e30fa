/** What the running kernel was built with, for variables of objects that ask for it (`__kconfig`). */
import { readFileSync } from "node:fs";
import { release } from "node:os";
import { gunzipSync } from "node:zlib";

const SETTING = /^(CONFIG_\w+)=(.*)$/;

let known: ReadonlyMap<string, string> | undefined;
/** The text of a setting ("y", "250"), or of LINUX_KERNEL_VERSION; undefined where the kernel does not have or tell it. */
export function runningSetting(name: string): string | undefined {
  if (name === "LINUX_KERNEL_VERSION") return String(versionCode(release()));
  known ??= new Map(
    configText()
      .split("\n")
      .flatMap((line) => {
        const found = SETTING.exec(line);
        return found ? [[found[1]!, found[2]!] as const] : [];
      }),
  );
  return known.get(name);
}

/** KERNEL_VERSION() of a release: the last part is at most 255. */
export function versionCode(text: string): number {
  const [major = 0, minor = 0, patch = 0] = /^(\d+)\.(\d+)(?:\.(\d+))?/.exec(text)?.slice(1).map(Number) ?? [];
  return (major << 16) | (minor << 8) | Math.min(patch || 0, 255);
}

/** Empty where there is none. */
function configText(): string {
  const ways: readonly (() => string)[] = [
    () => readFileSync(`/boot/config-${release()}`, "utf8"),
    () => gunzipSync(readFileSync("/proc/config.gz")).toString(),
  ];
  for (const read of ways) {
    try {
      return read();
    } catch {
      // The other place may have it.
    }
  }
  return "";
}
