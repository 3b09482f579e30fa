/** A drop-in of systemd's that attaches pinned programs to a unit's cgroup: BPFProgram= of systemd.resource-control(5). */
import { join } from "node:path";
import { pinName } from "../kernel/names.ts";
import { objectDirectory } from "../kernel/pins.ts";
import type { Details, ObjectSource, Package } from "./details.ts";
import { digestOfFiles, textFile } from "./files.ts";
import { SYSTEMD, wordsOf } from "./kinds.ts";

const REMEDY =
  "structs of the kernel's are registered by tsbpf load FILE, and stay while they are pinned; the service runs all kinds: tsbpf serve";

/** Percent signs are specifiers in units (systemd.unit(5)): pins write bytes as "%2E". */
const unitPath = (path: string): string => path.replaceAll("%", "%%");

export function systemd(source: ObjectSource, details: Details): Package {
  const words = wordsOf(SYSTEMD, source.module, REMEDY);
  const folder = join(objectDirectory(details.name, details.pins), "programs");
  const programs = words.map(([{ name }, word]) => `BPFProgram=${word}:${unitPath(join(folder, pinName(name)))}`);
  const text = `# Made by "tsbpf package systemd": put it into /etc/systemd/system/UNIT.d/tsbpf-${details.name}.conf. The programs are pinned there before the
# unit starts: tsbpf load FILE --name ${details.name}, without --cgroup; or the unit starts without them.
[Service]
${programs.join("\n")}
`;
  const files = [textFile(`tsbpf-${details.name}.conf`, text)];
  return {
    files,
    digest: digestOfFiles(files),
    next: [
      `pin its programs: tsbpf load FILE --name ${details.name}${details.pins === DEFAULT_PINS ? "" : ` --pins ${details.pins}`}`,
      `install it: install -D -m 644 OUTPUT /etc/systemd/system/UNIT.d/tsbpf-${details.name}.conf && systemctl daemon-reload && systemctl restart UNIT`,
    ],
  };
}
const DEFAULT_PINS = "/sys/fs/bpf/tsbpf";
