/** The service as a package of Debian's (deb(5)): the command, its programs and its file, and a unit with the rights that they take. */
import { createHash } from "node:crypto";
import { unitText } from "../service/unit.ts";
import { commandFiles } from "./container.ts";
import { COMMAND } from "./daemon-set.ts";
import type { Details, Package, ServiceSource } from "./details.ts";
import { digestOf, textFile, type PackedFile } from "./files.ts";
import { tarOf } from "./tar.ts";

const OBJECTS = "usr/share/tsbpf/objects";
const CONFIG = "etc/tsbpf/service.json";

/** What dpkg runs: the unit is reloaded, or replaced, without a gap where the service keeps what it has attached. */
const SCRIPTS = {
  postinst: `#!/bin/sh
set -e
if [ "$1" = configure ] && [ -z "\${DPKG_ROOT-}" ] && [ -d /run/systemd/system ]; then
  systemctl daemon-reload
  systemctl try-restart tsbpf.service
fi
`,
  prerm: `#!/bin/sh
set -e
if [ "$1" = remove ] && [ -z "\${DPKG_ROOT-}" ] && [ -d /run/systemd/system ]; then
  systemctl disable --now tsbpf.service
fi
`,
  postrm: `#!/bin/sh
set -e
if [ -z "\${DPKG_ROOT-}" ] && [ -d /run/systemd/system ]; then
  systemctl daemon-reload
fi
`,
} as const;

export function debian(source: ServiceSource, details: Details): Package {
  const unit = unitText({ ...source, command: COMMAND, file: `/${CONFIG}` });
  const data: readonly PackedFile[] = [
    ...commandFiles(source),
    ...source.objects.map((file) => ({ ...file, path: `${OBJECTS}/${file.path}` })),
    textFile(CONFIG, source.config(`/${OBJECTS}`)),
    // The unit's comment is for who installs it by hand.
    textFile("usr/lib/systemd/system/tsbpf.service", unit.slice(unit.indexOf("[Unit]"))),
  ];
  const control = [
    textFile("control", controlText(source, details, data)),
    textFile("conffiles", `/${CONFIG}\n`),
    textFile("md5sums", data.flatMap((file) => (file.link === undefined ? [md5Line(file)] : [])).join("")),
    ...Object.entries(SCRIPTS).map(([path, text]) => ({ ...textFile(path, text), runs: true as const })),
  ];
  const bytes = arOf(
    [
      ["debian-binary", Buffer.from("2.0\n")],
      ["control.tar", tarOf(control, details.seconds, "./")],
      ["data.tar", tarOf(data, details.seconds, "./")],
    ],
    details.seconds,
  );
  return {
    files: [{ path: `${details.name}_${details.version}_${source.architecture}.deb`, bytes }],
    digest: digestOf(bytes),
    next: ["install it: sudo apt-get install ./OUTPUT", "start it: sudo systemctl enable --now tsbpf"],
  };
}

const md5Line = ({ path, bytes }: PackedFile): string => `${createHash("md5").update(bytes).digest("hex")}  ${path}\n`;

function controlText({ architecture, objects }: ServiceSource, details: Details, data: readonly PackedFile[]): string {
  const kilobytes = Math.ceil(data.reduce((sum, { bytes }) => sum + bytes.length, 0) / 1024);
  return `Package: ${details.name}
Version: ${details.version}
Architecture: ${architecture}
Maintainer: ${details.maintainer}
Installed-Size: ${kilobytes}
Depends: nodejs (>= 20.11)
Section: net
Priority: optional
Description: TCP programs in BPF, and the service that runs them
 A service of tsbpf with its programs: ${objects.map(({ path }) => path.replace(/\.o$/, "")).join(", ")}.
 It is started by: systemctl enable --now tsbpf
`;
}

/** An archive of ar(1), as deb(5) has it. */
const arOf = (members: readonly (readonly [name: string, bytes: Uint8Array])[], seconds: number): Buffer =>
  Buffer.concat([
    Buffer.from("!<arch>\n"),
    ...members.flatMap(([name, bytes]) => [
      Buffer.from(
        `${name.padEnd(16)}${String(seconds).padEnd(12)}${"0".padEnd(6)}${"0".padEnd(6)}${"100644".padEnd(8)}${String(bytes.length).padEnd(10)}\`\n`,
      ),
      bytes,
      Buffer.alloc(bytes.length % 2, "\n"),
    ]),
  ]);
