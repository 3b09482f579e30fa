/** A unit of systemd's for a service, with no more rights than its programs take. */

import type { Capability } from "../kernel/capabilities.ts";

export interface UnitFacts {
  /** The launcher, as a whole path. */
  readonly command: string;
  readonly file: string;
  readonly socket: string;
  readonly pins: string;
  readonly inKernel: boolean;
  readonly overNetlink: boolean;
  readonly entersNamespaces: boolean;
  /** Where metrics are told over the network; absent: nowhere, or over a Unix socket. */
  readonly metricsHost?: string;
  /** The Unix socket of metrics. */
  readonly metricsSocket?: string;
}

/** Blanks, quotes and percent signs have a meaning of their own in a unit (systemd.service(5), "Command lines"). */
const quoted = (text: string): string =>
  /^[\w@%+=:,./-]+$/.test(text)
    ? text.replaceAll("%", "%%")
    : `"${text.replace(/[\\"]/g, "\\$&").replaceAll("%", "%%").replaceAll("$", "$$$$")}"`;
/** A folder of /sys/fs/bpf's own, or the folder above the pins. */
const bpffsOf = (pins: string): string =>
  pins.startsWith("/sys/fs/bpf/") ? "/sys/fs/bpf" : pins.replace(/\/[^/]*$/, "");

/** The capabilities that a service takes for its programs. */
export const capabilitiesOf = ({
  inKernel,
  entersNamespaces,
}: Pick<UnitFacts, "inKernel" | "entersNamespaces">): readonly Capability[] => [
  ...(inKernel ? (["CAP_BPF", "CAP_PERFMON"] as const) : []),
  "CAP_NET_ADMIN",
  // Types of pinned maps, the program that is replaced, and other network namespaces.
  ...(inKernel || entersNamespaces ? (["CAP_SYS_ADMIN"] as const) : []),
];

/** Nobody reaches it over the network, but for its metrics where they are told. */
const addressRules = (host: string | undefined): string =>
  host === undefined
    ? "IPAddressDeny=any\n"
    : /^(?:127\.|::1$)/.test(host)
      ? "IPAddressDeny=any\nIPAddressAllow=localhost\n"
      : "# Metrics are told to whoever reaches them: IPAddressDeny=any and IPAddressAllow= with who scrapes them are better.\n";

/** The unit's text. */
export function unitText(facts: UnitFacts): string {
  const { command, file, socket, pins, inKernel, overNetlink, entersNamespaces } = facts;
  const capabilities = capabilitiesOf({ inKernel, entersNamespaces }).join(" ");
  // ProtectKernelTunables= has /sys/fs/bpf read-only, whatever is said beside it: where pins are made, its paths are named here.
  const tunables = inKernel
    ? `ReadOnlyPaths=/sys -/proc/acpi -/proc/fs -/proc/irq -/proc/bus -/proc/sysrq-trigger${overNetlink ? "" : " /proc/sys"}
ReadWritePaths=-${bpffsOf(pins)}`
    : `ProtectKernelTunables=yes${
        // The choice of path manager. Not /proc/sys/net/mptcp: a mount there would be of one network namespace.
        overNetlink ? "\nReadWritePaths=-/proc/sys" : ""
      }`;
  const folders = [socket, ...(facts.metricsSocket === undefined ? [] : [facts.metricsSocket])]
    .filter((path) => !path.startsWith("/run/tsbpf/"))
    .map((path) => `ReadWritePaths=-${quoted(path.replace(/\/[^/]*$/, ""))}\n`);
  return `# Made by "tsbpf serve unit": put it into /etc/systemd/system/tsbpf.service, then
#   systemctl daemon-reload && systemctl enable --now tsbpf
[Unit]
Description=TCP programs of tsbpf
Documentation=man:tsbpf(1)
After=network.target

[Service]
Type=notify
NotifyAccess=main
ExecStart=${quoted(command)} serve ${quoted(file)}
ExecReload=${quoted(command)} serve reload --socket ${quoted(socket)}
WatchdogSec=60
TimeoutStopSec=30
Restart=on-failure
RestartSec=1
KillMode=mixed
# Records of what was changed on this machine: others keep theirs there, too.
RuntimeDirectory=tsbpf
RuntimeDirectoryMode=0700
RuntimeDirectoryPreserve=yes
${folders.join("")}${tunables}
CapabilityBoundingSet=${capabilities}
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=read-only
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
ProtectProc=invisible
PrivateTmp=yes
PrivateMounts=yes
PrivateDevices=yes
DevicePolicy=closed
${addressRules(facts.metricsHost)}RestrictAddressFamilies=AF_UNIX AF_NETLINK AF_INET AF_INET6
RestrictNamespaces=net
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service bpf setns
SystemCallErrorNumber=EPERM
UMask=0077
KeyringMode=private
RemoveIPC=yes

[Install]
WantedBy=multi-user.target
`;
}
