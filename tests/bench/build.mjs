// How long the command and the compiler take: `npm run bench:build [-- --json]`. Uses dist/, as users do.
//  1. `tsbpf build` of one program, beside `node -e 0` and clang on the C counterpart: alternating runs, medians. Cold is
//     the first run after `npm ci`, with an empty cache directory; bare is without snapshot and code cache, as the first
//     run is where `npm ci` could not make them. The other three are later runs of such a user, whose snapshot is there:
//     the first build of a program, one after an edit, and one of what was built before, whose record is done again.
//  2. compile() of programs of about 500, 1000, 2000 and 4000 instructions, what doubling the size costs, and one of 100,000.
import { spawnSync } from "node:child_process";
import { appendFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const json = process.argv.includes("--json");
const TURNS = 11;
/** What doubling the size may cost: 1 is linear. */
const LINEAR = 1.1;
/** Times `node -e 0`. */
const WARM = 4;
const LARGE_SECONDS = 30;
const GONE = { recursive: true, force: true };
const PROGRAM = "user-timeout";
if (!existsSync(join(root, "dist/cli.cjs"))) {
  console.error("dist/ is missing: run `npm run build` first");
  process.exit(2);
}

// With this, Node itself reads certificates at each start, and a bar that is a multiple of Node's start rises with it.
delete process.env.NODE_EXTRA_CA_CERTS;

const work = mkdtempSync(join(tmpdir(), "tsbpf-bench-"));
// The package as installed, once with what `npm ci` prepares beside it, and once without.
const installed = copyPackage("installed");
const unprepared = copyPackage("unprepared");
const userCache = join(work, "cache");

/** What the package consists of, in a folder of its own. */
function copyPackage(name) {
  const folder = join(work, name);
  for (const part of ["bin", "dist", "programs", "package.json"])
    cpSync(join(root, part), join(folder, part), { recursive: true });
  return folder;
}

/** Makes what a first run has made, and waits for it: beside the package, or in the user's cache directory. */
function prepare(folder, ...options) {
  const env = { ...process.env, XDG_CACHE_HOME: userCache };
  const run = spawnSync(process.execPath, [join(folder, "bin/startup.cjs"), ...options], { env });
  if (run.status !== 0) throw new Error(`bin/startup.cjs failed: ${run.stderr}`);
}

/**
 * One run of a command, which must succeed: elapsed milliseconds, and those of the processor, which other work on the
 * machine does not stretch as much. The shell's `times` knows what its children used.
 */
function time(file, args, env) {
  const start = process.hrtime.bigint();
  const run = spawnSync("bash", ["-c", '"$@" > /dev/null && times', "bash", file, ...args], {
    env: { ...process.env, ...env },
    encoding: "utf8",
  });
  const ms = Number(process.hrtime.bigint() - start) / 1e6;
  if (run.status !== 0) throw new Error(`${file} ${args.join(" ")}: ${run.stderr || run.stdout || run.error}`);
  const children = run.stdout.trim().split("\n").at(-1) ?? "";
  const cpu = [...children.matchAll(/(\d+)m([\d.]+)s/g)].reduce(
    (sum, [, min, sec]) => sum + 60_000 * min + 1000 * sec,
    0,
  );
  return { ms, cpu };
}
const median = (numbers) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1];

function commands() {
  const project = join(work, "project");
  const source = join(project, `${PROGRAM}.ts`);
  mkdirSync(project);
  cpSync(join(root, `programs/${PROGRAM}.ts`), source);
  const tsbpf = (folder, env, before) => () => {
    before?.();
    return time(join(folder, "bin/tsbpf"), ["build", source, "-o", work], env);
  };
  const user = { XDG_CACHE_HOME: userCache };
  let edits = 0;
  prepare(installed, "--beside");
  prepare(unprepared);
  const clang = (name) => () =>
    time(name, [
      ..."-O2 -g -target bpf -mcpu=v3 -I/usr/include/x86_64-linux-gnu -c".split(" "),
      join(root, `tests/bench/c/${PROGRAM}.c`),
      "-o",
      join(work, "twin.o"),
    ]);
  const has = (name) => spawnSync(name, ["--version"]).status === 0;
  const contestants = [
    { name: "node -e 0", run: () => time(process.execPath, ["-e", "0"]) },
    {
      name: "tsbpf build, cold",
      run: tsbpf(installed, { XDG_CACHE_HOME: join(work, "empty") }, () => rmSync(join(work, "empty"), GONE)),
    },
    { name: "tsbpf build, bare", run: tsbpf(unprepared, { TSBPF_NO_CODE_CACHE: "1" }) },
    {
      name: "first build",
      run: tsbpf(unprepared, user, () => rmSync(join(userCache, "tsbpf/builds"), GONE)),
    },
    { name: "after an edit", run: tsbpf(unprepared, user, () => appendFileSync(source, `// ${++edits}\n`)) },
    { name: "unchanged", run: tsbpf(unprepared, user) },
    ...["clang-16", "clang-19"].filter(has).map((name) => ({ name, run: clang(name) })),
  ];
  const times = contestants.map(() => []);
  for (let turn = 0; turn < TURNS; turn++) contestants.forEach(({ run }, i) => times[i].push(run()));
  return contestants.map(({ name }, i) => ({
    name,
    ms: median(times[i].map((t) => t.ms)),
    cpu: median(times[i].map((t) => t.cpu)),
    toNode: median(times[i].map((t, turn) => t.ms / times[0][turn].ms)),
  }));
}

const HEAD = `import { ArrayMap, license, range, struct, u32, u64 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
class Cells extends struct({ a: u32, b: u32, c: u64 }) {}
export const cells = new ArrayMap({ value: Cells, maxEntries: 1 });
export const program = sockOps((ctx) => {
  const m = cells.get(0);
`;
const TAIL = "  return 1;\n});\n";
const NO_RANGE = HEAD.replace("range, ", "");
/** Statements that differ, so that nothing folds together. */
const written = (count) =>
  NO_RANGE +
  Array.from({ length: count }, (_, i) => {
    const k = 3 + 7 * i;
    return i % 3 === 0
      ? `  if (m.a > ${k}) m.b += ctx.sndCwnd * ${k};\n`
      : i % 3 === 1
        ? `  m.a = (m.a ^ ${k}) + ctx.dataSegsIn;\n`
        : `  m.c += u64(m.b) * ${k}n;\n`;
  }).join("") +
  TAIL;
const unrolled = (count) => `${HEAD}  for (const i of range(${count})) {
    if (m.a > ctx.sndCwnd + i) m.b += ctx.dataSegsIn * i;
    m.c ^= u64(m.a) << 3n;
  }
${TAIL}`;

async function sizes() {
  const { compile } = await import(pathToFileURL(join(root, "dist/compiler.js")).href);
  const once = (text) => {
    const start = process.cpuUsage();
    const result = compile({ path: "sized.ts", text }, { maxInsns: 1_000_000 });
    const { user, system } = process.cpuUsage(start);
    const ms = (user + system) / 1000;
    if (!result.module) throw new Error(result.diagnostics.map((d) => d.message).join("\n"));
    return { ms, slots: result.module.programs[0].insns.length };
  };
  const sized = [
    ["statements", written],
    ["unrolled loop", unrolled],
  ].map(([what, make]) => {
    // How many statements or turns one instruction takes; then what the largest needs is compiled and optimized, too, as in the second and
    // later programs of a long-lived process: otherwise that is a part of the smaller ones' time.
    const probe = once(make(60));
    const rate = 60 / probe.slots;
    const wanted = [500, 1000, 2000, 4000];
    for (let turn = 0; turn < 2; turn++) once(make(Math.round(wanted.at(-1) * rate)));
    const runs = wanted.map(() => []);
    for (let turn = 0; turn < 7; turn++) {
      // The small ones as often as they take to be as long as the largest: what else the machine does hits all alike.
      wanted.forEach((slots, i) => {
        const times = Math.round(wanted.at(-1) / slots);
        const all = Array.from({ length: times }, () => once(make(Math.round(slots * rate))));
        runs[i].push({ slots: all[0].slots, ms: all.reduce((sum, { ms }) => sum + ms, 0) / times });
      });
    }
    const rows = runs.map((all) => ({ slots: all[0].slots, ms: median(all.map((r) => r.ms)) }));
    // 1 is linear, 2 is quadratic: the slope of log time over log size, from the second size on.
    const [, small, , large] = rows;
    const exponent = Math.log(large.ms / small.ms) / Math.log(large.slots / small.slots);
    return { what, rows, exponent };
  });
  // Statements of which there are many more than the kernel's limit, with --max-insns.
  return { sized, large: once(written(22_700)) };
}

try {
  const started = commands();
  const { sized, large } = await sizes();
  const node = started[0].ms;
  const [, cold, bare, first, edited, unchanged] = started;
  const bars = [
    {
      name: "cold `tsbpf build` within 2 × `node -e 0` + 250 ms",
      value: cold.ms,
      limit: 2 * node + 250,
      met: cold.ms <= 2 * node + 250,
    },
    {
      name: "the same in processor time",
      value: cold.cpu,
      limit: 2 * started[0].cpu + 250,
      met: cold.cpu <= 2 * started[0].cpu + 250,
    },
    { name: "first build faster than a bare one", value: first.ms, limit: bare.ms, met: first.ms < bare.ms },
    ...[first, edited, unchanged].map(({ name, toNode }) => ({
      name: `warm, ${name}, within ${WARM} × \`node -e 0\``,
      value: toNode,
      limit: WARM,
      met: toNode <= WARM,
    })),
    {
      name: `${large.slots} instructions in seconds of processor time`,
      value: large.ms / 1000,
      limit: LARGE_SECONDS,
      met: large.ms / 1000 <= LARGE_SECONDS,
    },
    ...sized.map(({ what, exponent }) => ({
      name: `compile time over size, ${what}: exponent`,
      value: exponent,
      limit: LINEAR,
      met: exponent <= LINEAR,
    })),
  ];
  if (json) console.log(JSON.stringify({ commands: started, sizes: sized, large, bars }, undefined, 1));
  else {
    const lines = readFileSync(join(root, `programs/${PROGRAM}.ts`), "utf8")
      .trimEnd()
      .split("\n").length;
    const [load] = loadavg();
    if (load > 2 * cpus().length) {
      console.log(`load ${load.toFixed(1)} on ${cpus().length} processors: elapsed times say little now`);
    }
    console.log(`programs/${PROGRAM}.ts (${lines} lines) and its C counterpart, medians of ${TURNS} alternating runs`);
    for (const { name, ms, cpu, toNode } of started) {
      const elapsed = `${ms.toFixed(0).padStart(6)} ms elapsed  ${cpu.toFixed(0).padStart(6)} ms of processor`;
      const toBar = ((100 * ms) / (2 * node + 250)).toFixed(0).padStart(4);
      console.log(`  ${name.padEnd(20)} ${elapsed}  ${toNode.toFixed(2).padStart(6)} × node  ${toBar} % of the bar`);
    }
    for (const { what, rows, exponent } of sized) {
      console.log(`\ncompile(), ${what}, processor time`);
      for (const { slots, ms } of rows) {
        const per = ((1000 * ms) / slots).toFixed(0);
        console.log(
          `  ${String(slots).padStart(6)} instructions ${ms.toFixed(0).padStart(6)} ms  ${per.padStart(5)} µs each`,
        );
      }
      console.log(`  time grows as size to the power ${exponent.toFixed(2)}`);
    }
    console.log();
    for (const { name, value, limit, met } of bars) {
      console.log(
        `${met ? "met    " : "NOT MET"} ${name}: ${value.toFixed(value < 10 ? 2 : 0)} (bar ${limit.toFixed(limit < 10 ? 2 : 0)})`,
      );
    }
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}
