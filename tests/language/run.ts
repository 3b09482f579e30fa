/** Compiles the body of a program, runs it once in the virtual machine and gives the number that it computed. */
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { compile, type CompileResult } from "../../compiler/compile.ts";
import { renderDiagnostics } from "../../compiler/diagnostics/render.ts";
import { createMachine } from "../../runtime/vm/machine.ts";

const IMPORTS = [
  "array",
  "ArrayMap",
  "atomicAdd",
  "be16",
  "be32",
  "clamp",
  "cstr",
  "cstring",
  "HashMap",
  "htonl",
  "htonll",
  "htons",
  "i32",
  "i64",
  "inPrefix",
  "ipv4",
  "ipv6",
  "Ipv4Trie",
  "max",
  "min",
  "ntohl",
  "ntohll",
  "ntohs",
  "param",
  "PerCpuArray",
  "range",
  "Ref",
  "sizeOf",
  "struct",
  "u16",
  "u32",
  "u64",
  "u8",
];

/** A case: what the body must assign to `r: u64`; `top` goes before the program. */
export type Case = readonly [name: string, expected: bigint, body: string, top?: string];

/** Compiles a body that assigns `r: u64`, runs it once and gives what it assigned. */
export function run(body: string, top = ""): bigint {
  const result = compileBody(body, top);
  const errors = result.diagnostics.filter((one) => one.severity === "error");
  if (errors.length > 0 || !result.module)
    throw new Error(renderDiagnostics(errors, result.sources, { colour: false }));
  const machine = createMachine(result.module, {
    services: { cpus: 1, cpu: () => 0, now: () => 1n, random: () => 4, print: () => undefined },
  });
  const outcome = machine.run("program", { read: () => 0, services: { socket: {} } });
  if (!outcome.ok)
    throw new Error(
      JSON.stringify(outcome.fault, (_, value: unknown) => (typeof value === "bigint" ? `${value}` : value)),
    );
  const bytes = machine.maps.get("results")!.read(new Uint8Array(4))![0]!;
  return new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
}

/** What the compiler says of a body: the keys of its errors and warnings, in the order of the source. */
export const keysOf = (body: string, top = ""): string[] => compileBody(body, top).diagnostics.map((one) => one.key);

function compileBody(body: string, top: string): CompileResult {
  const used = IMPORTS.filter(
    (name) => name === "u64" || name === "ArrayMap" || new RegExp(`\\b${name}\\b`).test(body + top),
  );
  const types = new Set(["Ref"]);
  const imported = used.map((name) => {
    const asValue =
      new RegExp(`\\b${name}\\(|: ${name}\\b[^;]*[,}]|\\(${name}\\b`).test(body + top) || /^[A-Z]/.test(name);
    return types.has(name) || (!asValue && name !== "u64") ? `type ${name}` : name;
  });
  const text = [
    `import { license, ${imported.join(", ")} } from "tsbpf";`,
    'import { sockOps } from "tsbpf/tcp";',
    'license("GPL");',
    "const results = new ArrayMap({ value: u64, maxEntries: 1 });",
    top,
    "export const program = sockOps((ctx) => {",
    "  let r: u64 = 0n;",
    body,
    "  results.set(0, r);",
    "  return ctx.op === 99 ? 0 : 1;",
    "});",
  ].join("\n");
  const source = text.replace("ctx.op === 99", "ctx.mss === 99");
  keep(source);
  return compile({ path: "case.ts", text: source });
}

/** Other kernels are asked about these programs, too (tests/differential/kernels.ts): TSBPF_KEEP_SOURCES names the folder. */
function keep(text: string): void {
  const folder = process.env["TSBPF_KEEP_SOURCES"];
  if (folder === undefined) return;
  writeFileSync(join(folder, `${createHash("sha256").update(text).digest("hex").slice(0, 16)}.ts`), text);
}
