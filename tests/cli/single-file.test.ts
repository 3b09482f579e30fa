/** The command as one file (scripts/single-file.mjs), in a folder with nothing else, and with an environment that has nothing but Node. */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { root } from "../programs.ts";
import { tsbpf } from "./run.ts";

let folder: string;
const env = { PATH: dirname(process.execPath), TMPDIR: tmpdir() };
const only = (...args: readonly string[]) => {
  const ran = spawnSync(join(folder, "tsbpf.cjs"), args, { cwd: folder, env, encoding: "utf8", input: "" });
  return { code: ran.status, stdout: ran.stdout, stderr: ran.stderr };
};

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tsbpf-single-"));
  execFileSync(process.execPath, [join(root, "scripts/single-file.mjs"), join(folder, "tsbpf.cjs")]);
  cpSync(join(root, "programs/user-timeout.ts"), join(folder, "user-timeout.ts"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("builds what the package builds", () => {
  expect(statSync(join(folder, "tsbpf.cjs")).mode & 0o777).toBe(0o755);
  expect(only("build", "user-timeout.ts")).toMatchObject({ code: 0, stderr: "" });
  const object = readFileSync(join(folder, "user-timeout.o"));
  expect(tsbpf(["build", "user-timeout.ts", "-o", "other"], { cwd: folder }).code).toBe(0);
  expect(object.equals(readFileSync(join(folder, "other/user-timeout.o")))).toBe(true);
  expect(only("check", "user-timeout.ts").code).toBe(0);
  expect(only("verify", "user-timeout.o").code).toBe(0);
});

test.each([
  ["explain"],
  ["explain", "non-null-assertion"],
  ["disasm", "user-timeout.o"],
  ["--help"],
  ["--version"],
  ["man"],
])("%s %s says what the package says", (...args) => {
  const { code, stdout } = only(...args);
  expect([code, stdout]).toEqual([0, tsbpf(args, { cwd: folder }).stdout]);
  expect(stdout.length).toBeGreaterThan(5);
});

test("koffi is in it, and leaves nothing behind", () => {
  const before = new Set(readdirSync(tmpdir()));
  // Asks the kernel, whoever calls; what it answers is another matter.
  const { stdout, stderr } = only("doctor");
  expect(stdout).toContain("MACHINE");
  expect(stderr).not.toContain("koffi");
  const calls = only("list");
  expect(calls.stderr).not.toMatch(/koffi|addon/i);
  expect(readdirSync(tmpdir()).filter((name) => /^tsbpf-.{6}$/.test(name) && !before.has(name))).toEqual([]);
});

test("the language server starts its thread from the same file", async () => {
  const child = spawn(join(folder, "tsbpf.cjs"), ["lsp"], { cwd: folder, env });
  try {
    const send = (message: object): void => {
      const text = JSON.stringify({ jsonrpc: "2.0", ...message });
      child.stdin.write(`Content-Length: ${text.length}\r\n\r\n${text}`);
    };
    let said = "";
    const heard = (what: string): Promise<void> =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (said.includes(what)) resolve();
        };
        child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
          said += chunk;
          look();
        });
        child.once("exit", () => reject(new Error(`it ended: ${said}`)));
        look();
      });
    send({ id: 1, method: "initialize", params: { processId: null, rootUri: null, capabilities: {} } });
    await heard('"id":1');
    send({ method: "initialized", params: {} });
    const text = 'import { license } from "tsbpf";\nlicense("GPL");\nlet x = 1;\n';
    const uri = `file://${folder}/a.ts`;
    send({
      method: "textDocument/didOpen",
      params: { textDocument: { uri, languageId: "typescript", version: 1, text } },
    });
    await heard("publishDiagnostics");
  } finally {
    child.kill();
  }
});

test("packages are made by the installed command", () => {
  writeFileSync(
    join(folder, "service.json"),
    JSON.stringify({ programs: { timeout: { file: "user-timeout.ts", cgroup: "system.slice/web.service" } } }),
  );
  const { code, stderr } = only("package", "container", "service.json");
  expect([code, stderr]).toEqual([2, expect.stringContaining("this is the single file")]);
});

test("the playground is in it", async () => {
  const child = spawn(join(folder, "tsbpf.cjs"), ["playground", "--port", "0"], { cwd: folder, env });
  try {
    const address = await new Promise<string>((resolve) =>
      child.stdout.setEncoding("utf8").once("data", (text: string) => resolve(text.split("\n")[0]!)),
    );
    const got = async (name: string): Promise<Buffer> =>
      Buffer.from(await (await fetch(new URL(name, address))).arrayBuffer());
    for (const name of ["main.js", "worker.bin", "style.css"])
      expect((await got(name)).equals(readFileSync(join(root, "dist/playground", name))), name).toBe(true);
  } finally {
    child.kill();
  }
});
