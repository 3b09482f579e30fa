/** `tsbpf doctor`: what the running kernel offers, feature by feature, and what programs would need of it. */
import { existsSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { release } from "node:os";
import { dirname, join } from "node:path";
import { FEATURES, kernels, releaseFor, TARGETS, type Feature, type Kernel } from "../../compiler/bpf/kernels.ts";
import type { BpfModule } from "../../compiler/module.ts";
import { lacking, NEEDS, type Capability } from "../kernel/capabilities.ts";
import { RuntimeError } from "../kernel/errors.ts";
import { onBpffs } from "../kernel/pin-folder.ts";
import { RELEASES } from "../../compiler/bpf/verifier-rules.ts";
import { cgroupRoot } from "../kernel/places.ts";
import { MPTCP_HAS_NO_ROOM } from "../kernel/option-room.ts";
import { capabilitiesOf } from "../kernel/program-capabilities.ts";
import { missing, probe } from "../kernel/probe.ts";
import { openMptcpNetlink } from "../mptcp/generic-netlink.ts";
import { compileFile } from "./compile-file.ts";
import { moduleOf } from "./module-of.ts";
import { out } from "./output.ts";
import { document, table } from "./report.ts";

export interface DoctorOptions {
  readonly pins: string;
  readonly json?: boolean;
}
interface Finding {
  readonly what: string;
  readonly ok: boolean;
  /** What was found, or what to do. */
  readonly detail: string;
  /** Programs run without it. */
  readonly optional?: true;
  /** The kernel has it; a setting is missing. */
  readonly mendable?: true;
}

export function doctor(files: readonly string[], options: DoctorOptions): Promise<number> {
  const machine = machineFindings(options);
  const features = (Object.keys(FEATURES) as Feature[]).map((feature) => {
    const answer = probe(feature);
    return { feature, about: FEATURES[feature].about, ok: answer.ok, reason: answer.reason ?? null };
  });
  const netlink = netlinkPathManager();
  const programs = files.length > 0 ? files.map((file) => programOf(file, netlink.ok)) : bundledPrograms(netlink.ok);
  const whole = summarize(machine, netlink, programs);
  // Who asks for a program of their own wants to know of that one.
  const summary = { ...whole, ok: whole.ok && (files.length === 0 || programs.every((one) => one.runs)) };
  if (options.json) document({ kernel: release(), machine, features, netlinkPathManager: netlink, programs, summary });
  else {
    out(`Linux ${release()}\n`);
    out(
      table(
        ["", "MACHINE", ""],
        [...machine, netlink].map((one) => [mark(one.ok), one.what, one.detail]),
      ),
    );
    out(
      `\n${table(
        ["", "FEATURE", "", ""],
        features.map((one) => [mark(one.ok), one.feature, one.about, one.reason ?? ""]),
      )}`,
    );
    if (programs.length > 0)
      out(
        `\n${table(
          ["", "PROGRAM", "TARGET", "WITHOUT ROOT", "NEEDS"],
          programs.map((one) => [mark(one.runs), one.program, one.target, shortly(one.capabilities), one.detail]),
        )}`,
      );
    out(`\n${summary.text}`);
  }
  return Promise.resolve(summary.ok ? 0 : 1);
}

/**
 * Whether all runs that this kernel can run, and one line about the rest: first what the machine lacks, which is for its
 * user to mend, then what only another kernel has.
 */
function summarize(
  machine: readonly Finding[],
  netlink: Finding,
  programs: readonly ProgramFinding[],
): { readonly ok: boolean; readonly text: string } {
  const broken = machine.filter((one) => !one.ok && !one.optional);
  // Where the kernel has MPTCP, only its settings keep path managers from running.
  if (!netlink.ok && netlink.mendable) broken.push(netlink);
  const first = broken[0];
  if (first)
    return { ok: false, text: `To run programs here: ${broken.map((one) => `${one.what}: ${one.detail}`).join("; ")}` };
  const runs = new Set(programs.filter((one) => one.runs).map((one) => one.program));
  const waiting = programs.filter(({ program }) => !runs.has(program));
  const said = new Set<string>();
  const elsewhere = Object.values<Kernel>(kernels).flatMap(({ name, boot }) => {
    const its = boot === undefined ? [] : waiting.filter(({ target }) => target === name);
    for (const { program } of its) said.add(program);
    return its.length === 0
      ? []
      : [`${its.map(({ program }) => program).join(", ")}: with the ${name} kernel, which ${boot} boots`];
  });
  const others = waiting.filter(({ program }) => !said.has(program));
  const rest = [
    ...elsewhere,
    ...others.map(({ program, detail }) => `${program}: ${detail}`),
    ...machine.filter((one) => !one.ok).map((one) => `${one.what}: ${one.detail}`),
  ];
  const text =
    rest.length === 0 ? "Everything runs here." : `What this kernel can run runs here. The rest: ${rest.join("; ")}`;
  return { ok: true, text };
}

const mark = (ok: boolean): string => (ok ? "✓" : "✗");

function machineFindings(options: DoctorOptions): Finding[] {
  const root = cgroupRoot();
  const jit = read("/proc/sys/net/core/bpf_jit_enable");
  const findings: Finding[] = [
    process.getuid?.() === 0
      ? { what: "caller", ok: true, detail: "root" }
      : { what: "caller", ok: lacking(NEEDS.doctor.all).length === 0, detail: callerDetail() },
    root === undefined
      ? { what: "cgroup2", ok: false, detail: "not mounted: mount -t cgroup2 none /sys/fs/cgroup" }
      : { what: "cgroup2", ok: true, detail: root },
    bpffsFinding(options.pins),
    verifierFinding(),
    existsSync("/sys/kernel/btf/vmlinux")
      ? { what: "BTF", ok: true, detail: "/sys/kernel/btf/vmlinux" }
      : { what: "BTF", ok: false, optional: true, detail: "CONFIG_DEBUG_INFO_BTF is off: CO-RE objects cannot load" },
    ...(read("/proc/sys/net/mptcp/enabled") === "1" && read("/proc/sys/net/ipv4/tcp_timestamps") !== "0"
      ? [{ what: "TCP options", ok: true, detail: MPTCP_HAS_NO_ROOM }]
      : []),
    {
      what: "JIT",
      optional: true,
      ok: jit !== "0",
      detail: jit === undefined ? "always on" : jit === "0" ? "off: sysctl net.core.bpf_jit_enable=1" : "on",
    },
  ];
  const off = configOff();
  return off ? [...findings, off] : findings;
}

function bpffsFinding(pins: string): Finding {
  const what = "bpffs";
  try {
    if (onBpffs(pins)) return { what, ok: true, detail: pins };
  } catch (error) {
    if (!(error instanceof RuntimeError)) throw error;
    // What may not be looked into, or may not be believed.
    return { what, ok: false, optional: true, detail: `needed for pins only: ${error.message}` };
  }
  const detail = "needed for pins only: mount -t bpf -o mode=0700 bpf /sys/fs/bpf";
  return { what, ok: false, optional: true, detail };
}

/** Whose rules `build --kernel` and `verify --kernel` take for this kernel's verifier. */
function verifierFinding(): Finding {
  const rules = releaseFor(release());
  const what = "verifier";
  return rules === undefined
    ? {
        what,
        ok: false,
        detail: `Linux ${release()} is older than ${RELEASES[0]}, the oldest that mainline objects are proved for`,
      }
    : { what, ok: true, detail: `judged by the rules of Linux ${rules} (build --kernel ${rules})` };
}

/** A kernel built without cgroup programs says EINVAL to everything; its configuration says why. */
function configOff(): Finding | undefined {
  if (probe("sock-ops").ok || process.getuid?.() !== 0) return undefined;
  const { reason } = probe("sock-ops");
  return {
    what: "sock_ops programs",
    ok: false,
    detail: `${reason ?? "refused"}: CONFIG_BPF_SYSCALL, CONFIG_CGROUP_BPF or CONFIG_INET may be off`,
  };
}

/** Of somebody who is not root: what is there, or what is lacking and what runs all the same. */
function callerDetail(): string {
  const { all } = NEEDS.doctor;
  const absent = lacking(all);
  if (absent.length === 0) return `has ${all.join(" and ")}`;
  const partly = absent.length < all.length ? ` (lacking: ${absent.join(", ")})` : "";
  const netlink =
    lacking(NEEDS["run --backend netlink"].all).length === 0 ? "; path managers run with --backend netlink" : "";
  return `not root: run as root, or with ${all.join(" and ")}${partly}${netlink}`;
}

function netlinkPathManager(): Finding {
  const what = "MPTCP netlink path manager";
  const enabled = read("/proc/sys/net/mptcp/enabled");
  if (enabled === undefined) return { what, ok: false, detail: "CONFIG_MPTCP is off" };
  if (enabled === "0") return { what, ok: false, mendable: true, detail: "MPTCP is off: sysctl net.mptcp.enabled=1" };
  const manager = read("/proc/sys/net/mptcp/path_manager") ?? read("/proc/sys/net/mptcp/pm_type");
  if (manager === undefined) return { what, ok: false, detail: "needs Linux 5.19 or later" };
  try {
    openMptcpNetlink().close();
    return { what, ok: true, detail: `usable (--backend netlink); this namespace now uses ${manager}` };
  } catch (error) {
    return { what, ok: false, detail: (error as Error).message };
  }
}

interface ProgramFinding {
  readonly program: string;
  readonly target: string;
  readonly runs: boolean;
  readonly detail: string;
  readonly missing: readonly string[];
  /** What loading and attaching it takes; over netlink CAP_NET_ADMIN alone. */
  readonly capabilities: readonly Capability[];
}
/** "BPF NET_ADMIN" */
const shortly = (capabilities: readonly Capability[]): string =>
  capabilities.map((one) => one.slice("CAP_".length)).join(" ") || "-";

function bundledPrograms(netlink: boolean): ProgramFinding[] {
  const folder = programsFolder();
  if (folder === undefined) return [];
  const files = readdirSync(folder).filter((file) => file.endsWith(".ts") && !file.endsWith(".d.ts"));
  return files.flatMap((file) =>
    TARGETS.flatMap((target) => {
      const { module } = compileFile(join(folder, file), { target });
      return module ? [findingOf(file, module, netlink)] : [];
    }),
  );
}

/** A program or an object of the user's; a source for the target that it says itself. */
function programOf(file: string, netlink: boolean): ProgramFinding {
  const module = moduleOf(file, {});
  return module
    ? findingOf(file, module, netlink)
    : { program: file, target: "-", runs: false, detail: "does not compile", missing: [], capabilities: [] };
}

function findingOf(program: string, module: BpfModule, netlink: boolean): ProgramFinding {
  const absent = missing(module.needs);
  const onlyPaths = absent.length > 0 && module.needs.some((need) => need.startsWith("helper:mptcp"));
  const detail =
    absent.length === 0
      ? "runs here"
      : onlyPaths && netlink
        ? `needs the ${module.target} kernel; runs here with --backend netlink`
        : `lacks ${absent.map((one) => one.feature).join(", ")}`;
  return {
    program,
    target: module.target,
    runs: absent.length === 0 || (onlyPaths && netlink),
    detail,
    missing: absent.map((one) => one.feature),
    capabilities: onlyPaths && netlink ? NEEDS["run --backend netlink"].all : capabilitiesOf(module),
  };
}

/** The package's programs lie beside its bin/ folder. */
function programsFolder(): string | undefined {
  const script = process.argv[1];
  if (script === undefined || !existsSync(script)) return undefined;
  for (let at = dirname(realpathSync(script)); at !== "/"; at = dirname(at)) {
    const candidate = join(at, "programs");
    if (existsSync(join(candidate, "ndiffports.ts"))) return candidate;
  }
  return undefined;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return undefined;
  }
}
