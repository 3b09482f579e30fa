/** Tables 2 and 4: the size of the kernel's part and of the programs, and what C asks its author to take care of. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { cFile, programFile, repository } from "../bench/clang.ts";
import { branchOf, CARES, careInC, careInTypeScript, linesOf, type Care } from "./count.ts";
import { interleaved, type Experiment, type Sample } from "./experiment.ts";

/** Parts of the kernel's series, by the numbers of their patches; lines of code of the paper's patches for Linux 4.17. */
const PARTS = {
  "TCP options": { from: 1, to: 3, paper: "75", place: "Table 2" },
  "user timeout": { from: 0, to: 0, paper: "16", place: "Table 2" },
  "delayed ACK": { from: 4, to: 4, paper: "94", place: "Table 2" },
  "MPTCP path managers": { from: 5, to: 7, paper: "about 300", place: "Table 4" },
} as const;
const PAPER_KERNEL_LINES = 75 + 16 + 94 + 300;
/** Programs with a counterpart in C, written for the same kernel by hand. */
const PROGRAMS = [
  "user-timeout",
  "congestion-control",
  "initial-window",
  "delayed-ack",
  "ndiffports",
  "fullmesh",
] as const;
const CARE_NAMES: Readonly<Record<keyof Care, string>> = {
  presence: "is it there? (null checks)",
  bounds: "sizes, lengths and loop bounds",
  order: "byte order and option layout",
};

function count(variant: string): Record<string, number> {
  if (variant in PARTS) {
    const { from, to } = PARTS[variant as keyof typeof PARTS];
    const rows = execFileSync(join(repository, "kernel/sizes.sh"), { encoding: "utf8" })
      .trim()
      .split("\n")
      .map((line) => line.split(" ").map(Number) as [number, number, number])
      .filter(([patch]) => patch >= from && patch <= to);
    return { lines: rows.reduce((sum, row) => sum + row[2], 0) };
  }
  const ours = readFileSync(programFile(variant), "utf8");
  const c = branchOf(readFileSync(cFile(variant), "utf8"), "PATCHED", true);
  const [inOurs, inC] = [careInTypeScript(ours), careInC(c)];
  return {
    lines: linesOf(ours),
    linesInC: linesOf(c),
    ...Object.fromEntries(
      CARES.flatMap((care) => [
        [care, inOurs[care]],
        [`${care}InC`, inC[care]],
      ]),
    ),
  };
}

const metric = (samples: readonly Sample[], variant: string, name: string): number =>
  samples.find((one) => one.variant === variant)?.metrics[name] ?? NaN;
const sum = (samples: readonly Sample[], name: string): number =>
  PROGRAMS.reduce((all, program) => all + metric(samples, program, name), 0);

export const tables: Experiment = {
  name: "tables",
  title: "Tables 2 and 4: lines of code, and what is checked by hand",
  about:
    "Lines that are neither blank nor comment. The C is ours, written by hand for the same hooks and the same behaviour, without what its headers hold, which favours C: " +
    "the paper's own programs are not at hand. Checks that TypeScript has as well are asked for by its type checker, where C's are the author's to remember.",
  where: "here",
  tools: [],
  paper: Object.entries(PARTS).map(([part, { paper, place }]) => ({
    what: `kernel, lines: ${part}`,
    value: paper,
    place,
  })),
  steps: () => interleaved([...Object.keys(PARTS), ...PROGRAMS], 1, () => 0.1),
  open: () => ({ measure: ({ variant }) => ({ metrics: count(variant) }) }),
  figures: (samples) => [
    {
      kind: "intervals",
      title: "Lines of code of each program",
      x: "lines of code",
      rows: PROGRAMS.flatMap((name) => [
        { name, series: "TypeScript", value: metric(samples, name, "lines") },
        { name, series: "C by hand", value: metric(samples, name, "linesInC") },
      ]),
      neutral: 0,
    },
    {
      kind: "intervals",
      title: "Care that is taken by hand, all programs",
      x: "times",
      rows: CARES.flatMap((care) => [
        { name: CARE_NAMES[care], series: "TypeScript", value: sum(samples, care) },
        { name: CARE_NAMES[care], series: "C by hand", value: sum(samples, `${care}InC`) },
      ]),
      neutral: 0,
    },
  ],
  table: (samples) => [
    ...Object.keys(PARTS).map((part) => ({
      what: `kernel, lines: ${part}`,
      ours: `${metric(samples, part, "lines")}`,
    })),
    ...PROGRAMS.map((name) => ({
      what: `program, lines: ${name}`,
      ours: `${metric(samples, name, "lines")} (C: ${metric(samples, name, "linesInC")})`,
    })),
    ...CARES.map((care) => ({
      what: `all programs: ${CARE_NAMES[care]}`,
      ours: `${sum(samples, care)} (C: ${sum(samples, `${care}InC`)})`,
    })),
  ],
  verdict(samples) {
    const longer = PROGRAMS.filter((name) => metric(samples, name, "lines") >= metric(samples, name, "linesInC"));
    const careful = CARES.filter((care) => sum(samples, care) >= sum(samples, `${care}InC`));
    const [ours, inC] = [sum(samples, "lines"), sum(samples, "linesInC")];
    const kernel = Object.keys(PARTS).reduce((all, part) => all + metric(samples, part, "lines"), 0);
    const programs = `the six programs take ${ours} lines in TypeScript and ${inC} in C${longer.length > 0 ? ` (not shorter: ${longer.join(", ")})` : ", each of them fewer"}`;
    return {
      reproduced: longer.length === 0 && careful.length === 0 && kernel <= PAPER_KERNEL_LINES,
      because:
        kernel <= PAPER_KERNEL_LINES
          ? `${programs}; the kernel's part takes ${kernel}.`
          : `the kernel's part takes ${kernel} lines where the paper's took about ${PAPER_KERNEL_LINES}, for bounds, several programs on a socket, IPv6 and SYN-ACKs that it left out; ${programs}.`,
    };
  },
};
