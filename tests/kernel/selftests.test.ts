import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cachedKernel, debug, missingTool, repository, runInVm, type Run } from "./kernel.ts";

const kernel = cachedKernel();
const missing =
  kernel.missing ??
  missingTool("qemu-system-x86_64", "clang-19", "bpftool", "gcc", "git", "ip", "ss", "tc", "iptables", "ip6tables");
const title = "the kernel's own selftests still pass";

/** Tests of selftests/bpf that are about sock_ops programs and MPTCP, linked into one program by selftests/harness.c. */
const BPF = ["tcp_hdr_options", "tcpbpf_user", "tcp_rtt", "mptcp", "mptcp_pm", "mptcp_sched", "netns_sock_ops"];

/** Scripts of selftests/net/mptcp. Those with `all` take long in an emulated machine, or measure times that it may not keep. */
const MPTCP: readonly { readonly script: string; readonly all?: true }[] = [
  { script: "diag.sh" },
  { script: "mptcp_sockopt.sh" },
  { script: "userspace_pm.sh" },
  { script: "pm_netlink.sh" },
  { script: "simult_flows.sh", all: true },
  { script: "mptcp_join.sh", all: true },
  { script: "mptcp_connect.sh -d 10 -l 0.1 -r 0 -f 100000", all: true },
];
const all = process.env["TSBPF_KERNEL_SELFTESTS"] === "1";
const LONG = "skipped: slow in an emulated machine; TSBPF_KERNEL_SELFTESTS=1 runs it";
const SLOW = "skipped: too slow on the debug configuration";

describe.skipIf(missing)(missing === undefined ? title : `${title} (skipped: ${missing})`, () => {
  let directory: string | undefined;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "tsbpf-selftests-"));
    const script = join(repository, "tests/kernel/selftests/prepare.sh");
    const done = spawnSync(script, [kernel.directory ?? "", directory], { encoding: "utf8" });
    expect(done.status, done.stderr).toBe(0);
  });
  afterAll(() => {
    if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
  });

  let bpf: Run | undefined;
  test.each(BPF)("bpf/%s", (name) => {
    bpf ??= runInVm([join(directory ?? "", "bpf-tcp")]);
    const words = `${bpf.stdout}\n${bpf.stderr}`;
    expect(words).toContain(`\n${name}: 0 failures\n`);
    expect(bpf.code, words).toBe(0);
  });

  for (const { script, all: long } of MPTCP) {
    const skip = debug ? SLOW : long && !all ? LONG : undefined;
    test.skipIf(skip)(`mptcp/${script}${skip === undefined ? "" : ` (${skip})`}`, () => {
      const command = `cd ${join(directory ?? "", "mptcp")} && bash ${script}`;
      const { code, stdout, stderr } = runInVm(["bash", "-c", command], long ? 7200 : 1800);
      const results = stdout.split("\n").filter((line) => /^(not )?ok \d/.test(line));
      expect(results.length, `${stdout}\n${stderr}`).toBeGreaterThan(0);
      expect(
        results.filter((line) => line.startsWith("not ")),
        `${stdout}\n${stderr}`,
      ).toEqual([]);
      expect(code, `${stdout}\n${stderr}`).toBe(0);
    });
  }
});
