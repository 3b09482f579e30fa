/** A small project whose result hangs on every kind of file, built with the cache and without it. */
import { createHash } from "node:crypto";
import {
  existsSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { btfBuilder } from "../../../compiler/object/btf.ts";
import { tsbpf, type Ran } from "../run.ts";

const value = (name: string, number: number): string =>
  `import { u32 } from "tsbpf";\nexport const ${name} = (): u32 => u32(${number});\n`;
const program = (imports: string, sum: string): string => `import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
${imports}
license("GPL");
const spare = 7;
export const program = sockOps((ctx) => (ctx.sndCwnd === ${sum} ? 1 : 0));
`;

/** What a kernel with one struct says of itself. */
function kernelTypes(): Uint8Array {
  const btf = btfBuilder();
  const u32 = btf.add({ kind: "int", name: "u32", size: 4, bits: 32, signed: false });
  btf.add({
    kind: "struct",
    name: "tcp_sock",
    size: 4,
    members: [{ name: "snd_cwnd", type: u32, offset: 0, bits: 0 }],
  });
  return btf.finish();
}

/** Files by path. */
const FILES: Readonly<Record<string, string | Uint8Array>> = {
  "package.json": "{}",
  "tsconfig.json": '{ "extends": "./base.json", "compilerOptions": { "paths": { "@own/*": ["./src/own/*"] } } }',
  "base.json": "{}",
  "tsbpf.config.ts": 'export default { sources: ["src/*.ts"], out: "out" };\n',
  "kernel.btf": kernelTypes(),
  "src/main.ts": program(
    'import { limit } from "./lib/limit.ts";\nimport { floor } from "@own/floor";\nimport { shared } from "shared";',
    "limit() + floor() + shared()",
  ),
  "src/plain.ts": program("", "9"),
  "src/lib/limit.ts": value("limit", 3),
  "src/own/floor.ts": value("floor", 4),
  "src/other/floor.ts": value("floor", 40),
  "node_modules/shared/package.json": '{ "exports": "./index.ts" }',
  "node_modules/shared/index.ts": value("shared", 5),
};
export const filesOf = (): string[] => Object.keys(FILES);

export interface Outcome extends Ran {
  /** Of every file that was written: its mode and what is in it. */
  readonly written: readonly string[];
}

export class Project {
  readonly base = mkdtempSync(join(tmpdir(), "tsbpf-build-cache-"));
  readonly folder = join(this.base, "project");
  readonly cache = join(this.base, "cache");
  readonly records = join(this.cache, "tsbpf/builds");

  constructor() {
    this.reset();
  }
  /** As at the beginning; the cache stays. */
  reset(): void {
    rmSync(this.folder, { recursive: true, force: true });
    for (const path of filesOf()) this.restore(path);
    mkdirSync(this.at("out"));
    this.age();
  }
  restore(path: string): void {
    this.write(path, FILES[path]!);
  }
  at(path: string): string {
    return join(this.folder, path);
  }
  write(path: string, text: string | Uint8Array): void {
    this.remove(path);
    mkdirSync(dirname(this.at(path)), { recursive: true });
    writeFileSync(this.at(path), text);
  }
  /** Another number in a source: as many bytes, so that nothing but contents tells. */
  renumber(path: string, number: number): void {
    const text = readFileSync(this.at(path), "utf8");
    this.write(
      path,
      text.replace(/u32\(\d+\)|(?<==== )\d+/, (one) => one.replace(/\d+/, String(number))),
    );
  }
  remove(path: string): void {
    rmSync(this.at(path), { recursive: true, force: true });
  }
  /** Gives every file an old date, so that the launcher's look at the times finds nothing. */
  age(): void {
    for (const entry of readdirSync(this.folder, { recursive: true, encoding: "utf8" }))
      lutimesSync(join(this.folder, entry), 1_000_000_000, 1_000_000_000);
  }

  private run(args: readonly string[], env: Readonly<Record<string, string>>, cwd: string): Outcome {
    const ran = tsbpf(args, { cwd, env: { XDG_CACHE_HOME: this.cache, ...env } });
    // In a cache directory, whatever it is called, a snapshot may be in the making.
    const inCache = (path: string): boolean => path.startsWith("cache/") || /^[^/]+\/(\.cache\/)?tsbpf\//.test(path);
    const outputs = readdirSync(this.base, { recursive: true, encoding: "utf8" })
      .filter((path) => /\.o$|^project\/(?:out\/|[^/]*$).*\.d\.ts$|\.part$/.test(path) && !inCache(path))
      .filter((path) => lstatSync(join(this.base, path)).isFile())
      .sort();
    const written = outputs.map((path) => {
      const file = join(this.base, path);
      const sum = createHash("sha256").update(readFileSync(file)).digest("hex");
      return `${path} ${(lstatSync(file).mode & 0o7777).toString(8)} ${sum}`;
    });
    for (const path of outputs) rmSync(join(this.base, path));
    return { ...ran, written };
  }

  /** Runs a command without the cache. */
  uncached(args: readonly string[], env: Readonly<Record<string, string>> = {}, cwd = this.folder): Outcome {
    return this.run(args, { ...env, TSBPF_NO_BUILD_CACHE: "1" }, cwd);
  }
  /** Runs a command with it, and says whether it came from there: who compiles well leaves a new record. */
  cached(
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
    cwd = this.folder,
  ): Outcome & { readonly replayed: boolean } {
    const before = this.kept();
    const outcome = this.run(args, env, cwd);
    const after = this.kept();
    const replayed = outcome.code === 0 && after.length > 0 && after.every((one) => before.includes(one));
    return { ...outcome, replayed };
  }
  private kept(): string[] {
    if (!existsSync(this.records)) return [];
    return readdirSync(this.records).map(
      (name) => `${name} ${statSync(join(this.records, name), { bigint: true }).ino}`,
    );
  }
  /** The one record that there is. */
  record(): string {
    const [name, ...more] = readdirSync(this.records);
    if (name === undefined || more.length > 0) throw new Error(`not one record: ${[name, ...more].join(", ")}`);
    return join(this.records, name);
  }
  forget(): void {
    rmSync(this.records, { recursive: true, force: true });
  }
  close(): void {
    rmSync(this.base, { recursive: true, force: true });
  }
}
