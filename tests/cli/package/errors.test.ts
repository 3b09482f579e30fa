/** What `tsbpf package` refuses, in which words, and that nothing is left then. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openPackageRig, type PackageRig } from "./rig.ts";

let rig: PackageRig;
beforeAll(() => {
  rig = openPackageRig();
  rig.write("text.o", "no object\n");
  rig.write("wrong.ts", "export const wrong: string = 1;\n");
  rig.write("there", "");
  rig.write("placeless.json", '{"programs": {"a": {"file": "user-timeout.ts"}}}');
  rig.write("param.json", '{"programs": {"a": {"file": "user-timeout.ts", "cgroup": "x", "params": {"nothing": 1}}}}');
  rig.write("socket.json", '{"socket": "here.sock", "programs": {"a": {"file": "user-timeout.ts", "cgroup": "x"}}}');
  rig.write(
    "metrics.json",
    '{"metrics": {"listen": "./m.sock"}, "programs": {"a": {"file": "user-timeout.ts", "cgroup": "x"}}}',
  );
  rig.write("absent.json", '{"programs": {"a": {"file": "absent.o", "cgroup": "x"}}}');
  rig.write("empty.json", "{}");
});
afterAll(() => rig.close());

test.each<[readonly string[], number, RegExp]>([
  [["rpm", "user-timeout.ts"], 2, /Allowed choices are gadget, bpfman, systemd, container, kubernetes, helm, debian/],
  [["debian"], 2, /missing required argument 'file'/],
  [
    ["gadget", "user-timeout.ts"],
    1,
    /^error\[kind-not-taken\]: Inspektor Gadget attaches no sock_ops programs, and userTimeout .* takes kprobe, .*\n {2}help: .*tsbpf package kubernetes/,
  ],
  [
    ["bpfman", "user-timeout.ts"],
    1,
    /^error\[kind-not-taken\]: bpfman attaches no sock_ops programs, .* takes xdp, .*\n {2}help: .*tsbpf package systemd/,
  ],
  [["systemd", "cubic.ts"], 1, /^error\[kind-not-taken\]: systemd attaches no struct_ops programs, .*\n {2}help: /],
  [["systemd", "text.o"], 1, /^error\[bad-object\]: text\.o: .*\n {2}help: give a source, or an object/],
  [["systemd", "absent.o"], 1, /^error\[cannot-read\]: cannot read absent\.o: no such file/],
  [["systemd", "wrong.ts"], 1, /^error\[bad-object\]: the program is wrong:\n[^]*help: tsbpf check wrong\.ts/],
  [
    ["systemd", "user-timeout.ts", "-o", "there"],
    1,
    /^error\[output-exists\]: .*there is there already\n {2}help: remove it, or name another/,
  ],
  [["systemd", "user-timeout.ts", "-o", "there/x"], 1, /^error\[cannot-write\]/],
  [["container", "service.json", "-o", "there/x"], 1, /^error\[cannot-write\]: cannot write .*there\/x: /],
  [
    ["systemd", "user-timeout.ts", "--name", "Big"],
    2,
    /^error\[bad-argument\]: Big cannot be the name of a package\n {2}help: give one of small letters/,
  ],
  [["systemd", "user-timeout.ts", "--package-version", "v1"], 2, /^error\[bad-argument\]: v1 cannot be a version\n/],
  [
    ["debian", "user-timeout.o"],
    2,
    /^error\[bad-argument\]: debian is of a service, and user-timeout\.o is an object\n {2}help: write a service's file/,
  ],
  [
    ["kubernetes", "service.json"],
    2,
    /^error\[bad-argument\]: where is the image of the service\?\n {2}help: tsbpf package container/,
  ],
  [["helm", "service.json"], 2, /^error\[bad-argument\]: where is the image/],
  [["debian", "placeless.json"], 2, /^error\[bad-argument\]: a: a cgroup to attach to is needed/],
  [["debian", "param.json"], 1, /^error\[bad-param\]: a: no param nothing/],
  [
    ["debian", "socket.json"],
    2,
    /^error\[bad-argument\]: socket\.json: the control socket is .*here\.sock, which other machines may lack/,
  ],
  [
    ["debian", "metrics.json"],
    2,
    /^error\[bad-argument\]: metrics\.json: the socket of metrics is .*m\.sock, which other machines may lack/,
  ],
  [["debian", "absent.json"], 1, /^error\[cannot-read\]: a: cannot read absent\.o/],
  [["debian", "empty.json"], 1, /^error\[service-file\]: empty\.json.*it has no programs/],
])("%s", (args, code, said) => {
  const before = readdirSync(rig.folder);
  const ran = rig.make(args);
  expect(ran.stderr).toMatch(said);
  expect([ran.code, ran.stdout]).toEqual([code, ""]);
  expect(readdirSync(rig.folder)).toEqual(before);
  expect(readFileSync(join(rig.folder, "there"), "utf8")).toBe("");
});

test("an epoch that is none is an error", () => {
  const { code, stderr } = rig.make(["systemd", "user-timeout.ts"], { SOURCE_DATE_EPOCH: "yesterday" });
  expect([code, stderr]).toEqual([
    1,
    expect.stringMatching(/^error\[bad-epoch\]: SOURCE_DATE_EPOCH is yesterday\n {2}help: /),
  ]);
  expect(existsSync(join(rig.folder, "user-timeout.conf"))).toBe(false);
});

test("with --json an error is one line of JSON, and so is what was made", () => {
  const refused = rig.make(["gadget", "user-timeout.ts", "--json"]);
  expect([refused.code, JSON.parse(refused.stdout)]).toMatchObject([1, { error: { key: "kind-not-taken" } }]);
  const made = rig.make(["systemd", "user-timeout.ts", "--json", "-o", "made.conf"]);
  expect(JSON.parse(made.stdout)).toEqual({
    format: "systemd",
    output: "made.conf",
    digest: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) as string,
    version: expect.stringMatching(/^0\.1\.0\+[0-9a-f]{12}$/) as string,
    warnings: [],
  });
});
