// kernel/check-names.sh finds what another release has of our names and numbers.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { repository } from "./kernel.ts";

const directory = mkdtempSync(join(tmpdir(), "tsbpf-names-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Runs the script on a tree that has these lines in its headers. */
function check(lines: { readonly bpf?: string; readonly tcp?: string; readonly snmp?: string }) {
  const headers = join(directory, "include/uapi/linux");
  mkdirSync(headers, { recursive: true });
  const flags = "enum {\n\tBPF_SOCK_OPS_ALL_CB_FLAGS       = 0x7F,\n};\n";
  writeFileSync(join(headers, "bpf.h"), lines.bpf?.includes("ALL_CB_FLAGS") ? lines.bpf : flags + (lines.bpf ?? ""));
  writeFileSync(join(headers, "tcp.h"), `#define TCP_IS_MPTCP\t\t43\n${lines.tcp ?? ""}`);
  writeFileSync(join(headers, "snmp.h"), lines.snmp ?? "");
  const done = spawnSync(join(repository, "kernel/check-names.sh"), [directory], { encoding: "utf8" });
  return { code: done.status, said: done.stdout + done.stderr };
}

describe("names and numbers of another release", () => {
  test("none of ours is there", () => {
    expect(check({ tcp: "#define TCP_RTO_MAX_MS\t\t44\n" })).toMatchObject({ code: 0 });
  });

  test.each([
    [
      "a socket option",
      { tcp: "#define TCP_DELACK_MAX_US\t46\t/* max delayed ack */\n" },
      "TCP_DELACK_MAX_US: #define",
    ],
    ["a number of one", { tcp: "#define TCP_NEW\t\t64\n" }, "TCP_DELACK_MIN_US, 64, to TCP_NEW"],
    ["an event", { bpf: "\tBPF_MPTCP_NEW_SESSION,\n" }, "BPF_MPTCP_NEW_SESSION"],
    ["a helper's name", { bpf: "\tFN(mptcp_open_subflow, 300, ##ctx)\t\\\n" }, "BPF_FUNC_mptcp_open_subflow"],
    ["a helper's number", { bpf: "\tFN(something_new, 212, ##ctx)\t\\\n" }, "212, to FN(something_new, 212"],
    ["a counter", { snmp: "\tLINUX_MIB_TCPBPFOPTNOROOM,\n" }, "LINUX_MIB_TCPBPFOPTNOROOM"],
    ["the callback flag", { bpf: "\tBPF_SOCK_OPS_ALL_CB_FLAGS       = 0xFF,\n" }, "another bit"],
  ])("%s is found", (_, lines, words) => {
    const { code, said } = check(lines);
    expect(said).toContain(words);
    expect(code).toBe(1);
  });

  test("a name in a comment is not", () => {
    expect(check({ tcp: "/* like TCP_DELACK_MAX_US */\n" })).toMatchObject({ code: 0 });
  });

  test("a tree without headers is an error", () => {
    rmSync(join(directory, "include"), { recursive: true });
    const done = spawnSync(join(repository, "kernel/check-names.sh"), [directory], { encoding: "utf8" });
    expect(done.stderr).toContain("bpf.h");
    expect(done.status).toBe(2);
  });
});
