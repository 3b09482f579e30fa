/** The file of a service: what it may say, as a module and as JSON, and where it says what is wrong. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ServedProgram, Service } from "tsbpf/config";
import { TroubleError } from "../../runtime/files/files.ts";
import { readService } from "../../runtime/project/service-file.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tsbpf-service-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function read(name: string, text: string): ReturnType<typeof readService> {
  writeFileSync(join(folder, name), text);
  return readService(join(folder, name));
}
/** What is said of a file, or undefined. */
function said(name: string, text: string): string | undefined {
  try {
    read(name, text);
    return undefined;
  } catch (error) {
    if (!(error instanceof TroubleError)) throw error;
    return `${error.message}; ${error.trouble.help}`.replaceAll(`${folder}/`, "");
  }
}

const PROGRAM = {
  file: "out/web.o",
  cgroup: "system.slice/nginx.service",
  netns: "lab",
  backend: "kernel",
  params: { limit: 7, low: -1, on: true, from: "10.0.0.1", list: [1, 2], range: { low: 1 } },
  target: "mainline",
  whenGone: "wait",
} as const satisfies Required<ServedProgram>;
const ALL = {
  programs: { web: PROGRAM },
  keep: true,
  socket: "serve.sock",
  pins: "/sys/fs/bpf/mine",
  log: "debug",
  metrics: { listen: "127.0.0.1:9961", stats: true },
} as const satisfies Required<Service>;

test.each([
  ["service.ts", `export default ${JSON.stringify(ALL)};`],
  [
    "service.ts",
    `import { defineService } from "tsbpf/config";\nexport default defineService(${JSON.stringify(ALL)});`,
  ],
  ["service.json", JSON.stringify(ALL)],
  ["service.json", JSON.stringify(ALL, undefined, 2)],
])("%s: all of it", (name, text) => {
  expect(read(name, text)).toEqual({
    ...ALL,
    socket: join(folder, "serve.sock"),
    metrics: { listen: { host: "127.0.0.1", port: 9961 }, stats: true },
    programs: [
      {
        name: "web",
        ...PROGRAM,
        file: join(folder, "out/web.o"),
        // As on the command line: the param's type says how it is read.
        params: { limit: "7", low: "-1", on: "true", from: "10.0.0.1", list: "[1,2]", range: '{"low":1}' },
      },
    ],
  });
});

test.each([
  ["9961", { host: "127.0.0.1", port: 9961 }],
  [":0", { host: "127.0.0.1", port: 0 }],
  ["localhost:80", { host: "127.0.0.1", port: 80 }],
  ["0.0.0.0:9961", { host: "0.0.0.0", port: 9961 }],
  ["[::1]:9961", { host: "::1", port: 9961 }],
  ["/run/tsbpf/metrics.sock", { path: "/run/tsbpf/metrics.sock" }],
])("metrics are told at %s", (listen, found) => {
  const text = JSON.stringify({ programs: { web: { file: "a.o" } }, metrics: { listen } });
  expect(read("s.json", text).metrics).toEqual({ listen: found });
});

describe("what is wrong is said with its place and what to give", () => {
  const web = (more: string): string => `export default {\n  programs: { web: { file: "a.o",\n    ${more} } },\n};\n`;
  test.each([
    ["export default { programs: {} };", "service.ts: it has no programs; name them: programs: { web: "],
    ["export default { keep: true };", "service.ts: it has no programs; name them: programs: { web: "],
    ["export default {\n  kept: true };", 'service.ts:2:3: there is no setting "kept"; give one of programs, keep, '],
    ["export default { keep: 1, programs: {} };", 'service.ts:1:18: "keep" cannot be 1; give true or false'],
    [web('cgroups: "a"'), 'service.ts:3:5: there is no setting "cgroups"; give one of file, cgroup, '],
    [web('cgroup: ""'), 'service.ts:3:5: "cgroup" cannot be ""; give the name of a cgroup, '],
    [web('backend: "user"'), 'service.ts:3:5: "backend" cannot be "user"; give "kernel" or "netlink"'],
    [web("params: { a: 1, b: [null] }"), "service.ts:3:25: this is not written down as a value; the file is read"],
    [web('whenGone: "stay"'), 'service.ts:3:5: "whenGone" cannot be "stay"; give "exit" or "wait"'],
    ...["", "host:1", "1.2.3.4", "1.2.3.4:65536", "1.2.3.400:1", "[::g]:1", "::1:80", "-1"].map(
      (listen): [string, string] => [
        `export default { programs: { web: { file: "a.o" } }, metrics: { listen: "${listen}" } };`,
        `service.ts:1:65: "listen" cannot be "${listen}"; give an address and a port such as "127.0.0.1:9961"`,
      ],
    ),
    [
      'export default { programs: { web: { file: "a.o" } }, metrics: { port: 1 } };',
      'there is no setting "port"; give one of listen, stats',
    ],
    [web("params: 7"), 'service.ts:3:5: "params" cannot be 7; give an object of values'],
    [web('cgroup: "a", cgroup: "b"'), 'service.ts:3:18: "cgroup" is said twice; '],
    [web("netns: name"), "service.ts:3:12: this is not written down as a value; the file is read"],
    ['export default { programs: { "a/b": { file: "a.o" } } };', 'service.ts:1:30: "a/b" cannot be the name of a'],
    ['export default { programs: { web: { cgroup: "a" } } };', 'service.ts:1:30: web has no "file"; give its source'],
    ["export default { programs: { web: 3 } };", "service.ts:1:30: an object of settings is needed; give the settings"],
    ["export default [];", "service.ts: an object of settings is needed; give the settings programs, "],
    ["export default { programs: {", "service.ts:1:29: '}' expected."],
    ["", "service.ts:1:1: it has no `export default { … }`; "],
  ])("%s", (text, expected) => {
    expect(said("service.ts", text)).toContain(expected);
  });

  test("of JSON as well", () => {
    expect(said("s.json", '{ "programs": { "web": {\n "file": "a.o", "params": { "a": null } } } }')).toContain(
      "s.json:2:34: this is not written down as a value",
    );
    expect(said("s.json", '{ "programs": { "web": {\n "file": 1 } } }')).toContain(
      's.json:2:2: "file" cannot be 1; give a path',
    );
    expect(said("s.json", "")).toContain("s.json:1:1: it is empty");
    expect(said("s.json", "{")).toMatch(/^s\.json:1:2: /);
  });

  test("of a file that is none", () => {
    expect(() => readService(join(folder, "absent.ts"))).toThrow("no such file");
  });
});
