/** `tsbpf run` with a path manager beside the kernel, over netlink. */
import type { BpfModule } from "../../compiler/module.ts";
import { closeFd } from "../kernel/fd.ts";
import { openCgroup } from "../kernel/places.ts";
import { errnoName } from "../kernel/errno-name.ts";
import { startNetlinkBackend, type NetlinkReport } from "../mptcp/netlink-backend.ts";
import { out, say } from "./output.ts";
import { line, notice, warn } from "./report.ts";
import type { RunOptions } from "./run.ts";

export async function runNetlink(
  module: BpfModule,
  name: string,
  params: Readonly<Record<string, unknown>>,
  options: RunOptions,
  stopped: Promise<void>,
): Promise<number> {
  if (options.cgroup !== undefined) {
    if (!options.make) closeFd(openCgroup(options.cgroup));
    notice(options, "over netlink a path manager serves every session of its network namespace, not a cgroup");
  }
  if (module.needs.includes("event:mptcp-accept-subflow"))
    warn(
      options,
      "an unpatched kernel asks nobody before it takes a subflow: what acceptSubflow refuses is up for a moment, then taken down",
    );
  const running = startNetlinkBackend(module, {
    ...(options.netns === undefined ? {} : { netns: options.netns }),
    params,
    name,
    replace: options.replace ?? false,
    report: (report) => {
      if (report.kind === "warning") warn(options, report.text);
      else if (report.kind === "notice") notice(options, report.text);
      else if (options.json) line(report);
      else out(reportText(report));
    },
  });
  try {
    if (options.json) line({ event: "listening", netns: options.netns ?? null });
    else
      say(
        `path manager for ${options.netns === undefined ? "this network namespace" : `network namespace ${options.netns}`}; Ctrl-C ends it`,
      );
    await stopped;
  } finally {
    running.close();
  }
  if (options.json) line({ event: "ended", ...running.counts, overruns: running.overruns });
  else out(`ended: ${running.counts.created} subflows created, ${running.counts.refused} refused`);
  return 0;
}

const tokenText = (token: number): string => token.toString(16).padStart(8, "0");
function reportText(report: Exclude<NetlinkReport, { readonly text: string; kind: "warning" | "notice" }>): string {
  switch (report.kind) {
    case "event":
      return `${tokenText(report.token)}  ${report.event} (${report.steps} instructions)`;
    case "subflow":
      return `${tokenText(report.token)}  subflow ${report.from} → ${report.to}${report.errno === 0 ? "" : `: ${errnoName(report.errno)}`}`;
    case "refused":
      return `${tokenText(report.token)}  refused subflow ${report.from} → ${report.to}${report.errno === 0 ? "" : `: ${errnoName(report.errno)}`}`;
    case "announced":
      return `${tokenText(report.token)}  announced ${report.address}${report.errno === 0 ? "" : `: ${errnoName(report.errno)}`}`;
    case "log":
      return `log  ${report.text}`;
  }
}
