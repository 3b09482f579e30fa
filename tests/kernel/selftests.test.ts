import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cachedKernel, debug, missingTool, repository, runInVm } from "./kernel.ts";

const kernel = cachedKernel();
const missing =
  kernel.missing ??
  missingTool("qemu-system-x86_64", "clang-19", "bpftool", "gcc", "ip", "ss") ??
  (debug ? "too slow on the debug configuration" : undefined);
const all = process.env["TSBPF_KERNEL_SELFTESTS"] === "1";
const gated = all ? "" : " (skipped: half an hour in an emulated machine; TSBPF_KERNEL_SELFTESTS=1 runs it)";
const title = "the kernel's own selftests still pass";

// Not run: mptcp_join.sh, mptcp_connect.sh and simult_flows.sh measure times that an emulated processor cannot keep, and mptcp_join.sh
// and mptcp_sockopt.sh need iptables; tcpbpf_user of selftests/bpf assumes that the flag 0x80 is not defined; the rest of selftests/bpf
// needs test_progs as a whole, with modules of its own.
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

  test("TCP header options", () => {
    const { code, stdout, stderr } = runInVm([join(directory ?? "", "hdr-options")], 600);
    expect(code, `${stdout}\n${stderr}`).toBe(0);
    expect(stdout).toContain("0 failures");
    expect(stdout).not.toContain(":FAIL:");
  });

  test.skipIf(!all).each(["pm_netlink.sh", "userspace_pm.sh", "diag.sh"])(`mptcp/%s${gated}`, (name) => {
    const command = `cd ${join(directory ?? "", "mptcp")} && bash ${name}`;
    const { code, stdout, stderr } = runInVm(["bash", "-c", command], 1800);
    expect(code, `${stdout}\n${stderr}`).toBe(0);
    expect(stdout).not.toMatch(/\[ ?(FAIL|fail)/);
  });
});
