// `tsbpf lsp` beside a file of 300 lines: from the last key to the errors of the language, and to everything. On a machine that
// has other things to do, the processor time that the server took says more than the clock.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import {
  createProtocolConnection,
  StreamMessageReader,
  StreamMessageWriter,
} from "vscode-languageserver-protocol/node.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const LINES = 300;
const KEYS = Number(process.argv[2] ?? 20);

/** fullmesh, the largest of the programs, with helpers behind it up to the length. */
function source() {
  const lines = readFileSync(join(root, "programs/fullmesh.ts"), "utf8").trimEnd().split("\n");
  for (let index = 0; lines.length + 8 <= LINES; index++)
    lines.push(
      "",
      `function helper${index}(a: u32, b: u32): u32 {`,
      `  if (a > ${index}) return b + ${index};`,
      `  if (b === ${index + 3}) return a ^ b;`,
      `  const sum = a * ${index + 1} + b;`,
      `  return sum > 100 ? sum - 1 : sum;`,
      "}",
    );
  return lines.join("\n");
}

const child = spawn(join(root, "bin/tsbpf"), ["lsp"], { stdio: ["pipe", "pipe", "inherit"] });
const connection = createProtocolConnection(
  new StreamMessageReader(child.stdout),
  new StreamMessageWriter(child.stdin),
);
/** User and system time of the server so far, in milliseconds. */
const processor = () => {
  const fields = readFileSync(`/proc/${child.pid}/stat`, "latin1").split(") ")[1].split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
};
let told = () => undefined;
connection.onNotification("textDocument/publishDiagnostics", ({ diagnostics }) => told(diagnostics));
connection.listen();
await connection.sendRequest("initialize", { processId: process.pid, rootUri: null, capabilities: {} });
void connection.sendNotification("initialized", {});

const uri = pathToFileURL(join(root, "programs/bench-of-the-editor.ts")).href;
const text = source();
/** Resolves when the diagnostics that are shown are as wanted. */
const until = (wanted) => new Promise((resolve) => (told = (list) => wanted(list) && resolve(list)));
void connection.sendNotification("textDocument/didOpen", {
  textDocument: { uri, languageId: "typescript", version: 1, text },
});
await until(() => true);
const at = text.split("\n").findIndex((line) => line.includes("return sum > 100"));
const times = [];
const costs = [];
for (let key = 0; key < KEYS; key++) {
  await new Promise((resolve) => setTimeout(resolve, 1500));
  // One character more, and less: `=== 100` and `== 100`, which is an error.
  const wrong = key % 2 === 0;
  const start = performance.now();
  const before = processor();
  void connection.sendNotification("textDocument/didChange", {
    textDocument: { uri, version: key + 2 },
    contentChanges: [
      {
        range: { start: { line: at, character: 0 }, end: { line: at + 1, character: 0 } },
        text: `  return sum ${wrong ? "==" : "==="} 100 ? sum - 1 : sum;\n`,
      },
    ],
  });
  await until((list) => list.some((one) => one.code === "loose-equality") === wrong);
  times.push(performance.now() - start);
  costs.push(processor() - before);
}
const middle = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
console.log(`${text.split("\n").length} lines, ${KEYS} keys: from the key to its error`);
for (const [what, list] of [
  ["by the clock", times],
  ["of the processor", costs],
])
  console.log(
    `  ${what}: median ${middle(list).toFixed(0)} ms, worst ${Math.max(...list).toFixed(0)} ms, first ${list[0].toFixed(0)} ms`,
  );
await connection.sendRequest("shutdown");
void connection.sendNotification("exit");
