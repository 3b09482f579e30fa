// kernel/run.sh: what a command gets, and what becomes of one that hangs or makes the kernel complain.
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cachedKernel, debug, missingTool, repository, runInVm } from "./kernel.ts";

const kernel = cachedKernel();
const missing = kernel.missing ?? missingTool("qemu-system-x86_64");

describe.skipIf(missing)(missing ? `kernel/run.sh (skipped: ${missing})` : "kernel/run.sh", () => {
  test("passes on output, errors, exit code and TSBPF_ variables; what the command writes is gone afterwards", () => {
    const trace = join(repository, `trace-of-the-virtual-machine-${process.pid}`);
    const script = `
      pwd; uname -r; nproc; echo "$TSBPF_TEST_VALUE"
      stat -f -c %T /sys/fs/cgroup /sys/fs/bpf
      echo written > ${trace} && cat ${trace}
      echo "to standard error" >&2
      exit 7`;
    process.env["TSBPF_TEST_VALUE"] = "two words";
    const { code, stdout, stderr } = runInVm(["bash", "-c", script]);
    delete process.env["TSBPF_TEST_VALUE"];
    const [directory, release, cpus, value, cgroup, bpf, written] = stdout.split("\n");
    expect({ code, stderr }).toEqual({ code: 7, stderr: "to standard error\n" });
    expect(release).toMatch(/^6\.12\.\d+-tsbpf/);
    expect({ directory, value, cgroup, bpf, written }).toEqual({
      directory: repository,
      value: "two words",
      cgroup: "cgroup2fs",
      bpf: "bpf_fs",
      written: "written",
    });
    expect(Number(cpus)).toBeGreaterThanOrEqual(2);
    expect(existsSync(trace)).toBe(false);
  });

  test("ends a command that hangs, with exit code 124 and the console log", () => {
    const { code, stderr } = runInVm(["sleep", "100000"], debug ? 120 : 60);
    expect(code).toBe(124);
    expect(stderr).toMatch(/no end after \d+ s; the console:/);
    expect(stderr).toContain("Linux version 6.12");
  });

  test("fails with 126 when the kernel reported something, although the command succeeded", () => {
    const report = "WARNING: CPU: 0 PID: 1 at net/mptcp/protocol.c:1 a_function+0x1/0x2";
    const { code, stdout, stderr } = runInVm(["bash", "-c", `echo done; echo '<4>${report}' > /dev/kmsg; exit 0`]);
    expect({ code, stdout }).toEqual({ code: 126, stdout: "done\n" });
    expect(stderr).toContain(report);
  });

  test("--icount: the machine's clocks count instructions, so that waiting takes no time", () => {
    // More seconds than the machine is given.
    const { code, stdout } = runInVm(["--icount", "bash", "-c", "sleep 3000; nproc"], 600);
    expect({ code, stdout }).toEqual({ code: 0, stdout: "1\n" });
  });

  test("fails with 126 when the kernel panics", () => {
    const { code, stderr } = runInVm(["bash", "-c", "echo c > /proc/sysrq-trigger; sleep 1000"], 300);
    expect(code).toBe(126);
    expect(stderr).toContain("sysrq triggered crash");
  });

  test("fails with 125 when the machine is switched off before the command has ended", () => {
    const { code, stderr } = runInVm(["bash", "-c", "echo o > /proc/sysrq-trigger; sleep 1000"], 300);
    expect(code).toBe(125);
    expect(stderr).toContain("the virtual machine stopped before the command ended");
  });
});

const noUnshare =
  process.getuid?.() === 0 ? missingTool("unshare", "mount", "mknod", "timeout") : "needs root, to show it a /dev/kvm";

// QEMU is one of ours here, so no kernel is needed: it notes how it was called.
describe.skipIf(noUnshare)(`kernel/run.sh and KVM${noUnshare ? ` (skipped: ${noUnshare})` : ""}`, () => {
  let directory = "";
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "tsbpf-kvm-"));
    writeFileSync(join(directory, "bzImage"), "");
    mkdirSync(join(directory, "bin"));
    const qemu = join(directory, "bin/qemu-system-x86_64");
    // The first call with "-machine none" is the trial.
    writeFileSync(
      qemu,
      `#!/bin/sh\ncase " $* " in *" -machine none "*) exit $KVM_FAILS ;; esac\necho "$@" >> ${directory}/calls\n`,
    );
    chmodSync(qemu, 0o755);
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  test.each([
    { what: "uses it where it works", device: true, fails: 0, accelerator: "-accel kvm" },
    {
      what: "does without where the device is there but does not work",
      device: true,
      fails: 1,
      accelerator: "-accel tcg",
    },
    { what: "does without where there is none", device: false, fails: 0, accelerator: "-accel tcg" },
  ])("$what", ({ device, fails, accelerator }) => {
    const calls = join(directory, "calls");
    rmSync(calls, { force: true });
    const run = join(repository, "kernel/run.sh");
    // A /dev of its own, in a mount namespace of its own.
    const script = `
      mount -t tmpfs tmpfs /dev && mknod -m 666 /dev/null c 1 3 && mknod -m 666 /dev/urandom c 1 9 && ln -s /proc/self/fd /dev/fd || exit 99
      ${device ? "touch /dev/kvm" : ""}
      "$RUN" --kernel "$KERNEL" true`;
    const done = spawnSync("unshare", ["-m", "bash", "-c", script], {
      encoding: "utf8",
      env: {
        ...process.env,
        PATH: `${join(directory, "bin")}:${process.env["PATH"]}`,
        KVM_FAILS: String(fails),
        RUN: run,
        KERNEL: join(directory, "bzImage"),
      },
    });
    // Our QEMU starts no machine, and run.sh says so.
    expect(done.status, done.stderr).toBe(125);
    const [call = ""] = readFileSync(calls, "utf8").split("\n");
    expect(call).toContain(accelerator);
  });
});
