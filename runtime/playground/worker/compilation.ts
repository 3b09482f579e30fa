/** The text that was compiled last, and what the page is told of it. */
import { kernelNamed, type TargetName } from "../../../compiler/bpf/kernels.ts";
import { compile, compileDraft, prepare, type CompileOptions, type CompileResult } from "../../../compiler/compile.ts";
import { diagnosticsToJson } from "../../../compiler/diagnostics/render.ts";
import type { IrModule } from "../../../compiler/ir/ir.ts";
import { STEPS } from "../../../compiler/passes/order.ts";
import type { Compiled, DifferenceRow, PassStep } from "../protocol.ts";
import { difference, folded } from "./difference.ts";
import { usualEvents } from "./play/usual.ts";
import { bytecodeRows, irRows, lineFinder, objectRows, row } from "./rows.ts";

/** What the text in the editor is called in errors and objects. */
export const PATH = "program.ts";

interface Stage {
  readonly group: string;
  readonly pass: string;
  readonly why: string;
  readonly module: IrModule;
}
export interface Compilation {
  readonly result: CompileResult;
  readonly report: Compiled;
  /** The IR after each pass; made when it is asked for. */
  readonly stages: () => readonly Stage[];
}

export function compileText(text: string, target?: TargetName): Compilation {
  const options = optionsOf(target);
  const started = performance.now();
  const result = compile({ path: PATH, text }, options);
  return compilationOf(text, options, result, performance.now() - started);
}

/** What can be shown at once, with the functions that were kept in the text before, and the whole when it is asked for. */
export interface DraftCompilation {
  readonly report: Compiled;
  readonly finish: () => Compilation;
}

export function draftText(text: string, before: Compilation | undefined, target?: TargetName): DraftCompilation {
  const options = optionsOf(target);
  const kept = (before?.result.ir?.functions ?? []).map(({ name }) => name);
  const started = performance.now();
  const { result, finish } = compileDraft({ path: PATH, text }, options, kept);
  const spent = performance.now() - started;
  if (!finish) {
    const all = compilationOf(text, options, result, spent);
    return { report: all.report, finish: () => all };
  }
  return {
    report: { ...reportOf(result, spent), draft: true },
    finish() {
      const again = performance.now();
      const all = finish();
      return compilationOf(text, options, all, spent + performance.now() - again);
    },
  };
}

const optionsOf = (target: TargetName | undefined): CompileOptions => ({
  library: true,
  ...(target ? { target } : {}),
});

function compilationOf(
  text: string,
  options: CompileOptions,
  result: CompileResult,
  milliseconds: number,
): Compilation {
  let stages: readonly Stage[] | undefined;
  return { result, report: reportOf(result, milliseconds), stages: () => (stages ??= stagesOf(text, options)) };
}

function reportOf(result: CompileResult, milliseconds: number): Compiled {
  const { module, object, ir, sources } = result;
  const lineOf = lineFinder(sources);
  const limits = kernelNamed(result.target);
  return {
    target: result.target,
    ...(module?.kernel ? { kernel: module.kernel } : {}),
    milliseconds,
    diagnostics: diagnosticsToJson(result.diagnostics, sources),
    programs: (module?.programs ?? []).map(({ name, section, insns, stack }) => ({
      name,
      section,
      instructions: insns.length,
      maxInstructions: limits.maxInsns,
      stack,
      maxStack: limits.maxStack,
    })),
    objectBytes: object?.length ?? 0,
    ir: ir ? irRows(ir, lineOf) : [],
    bytecode: module ? bytecodeRows(module, lineOf) : [],
    object: object && module ? objectRows(object, module, lineOf) : [],
    events: module ? usualEvents(module) : "",
  };
}

/** The next compilation begins with a checker that is ready. */
export const warmUp = (): void => void prepare();

const LOWER = {
  group: "frontend",
  pass: "lower",
  why: "The program as it was written, with nothing expanded or left out yet.",
};

function stagesOf(text: string, options: CompileOptions): readonly Stage[] {
  let stages: Stage[] = [];
  const afterPass: CompileOptions["afterPass"] = (pass, module, group) => {
    const step = STEPS[stages.length - 1];
    if (group === undefined) stages = [{ ...LOWER, module }];
    else if (step) stages.push({ group, pass, why: step.pass.why, module });
    // Another way was chosen after this one had come to its end.
    else stages = [stages[0]!, { group, pass, why: STEPS[0]!.pass.why, module }];
  };
  compile({ path: PATH, text }, { ...options, afterPass });
  return stages;
}

const instructionsOf = ({ functions, programs }: IrModule): number =>
  [...functions, ...programs.map(({ func }) => func)].reduce(
    (sum, { blocks }) => sum + blocks.reduce((own, { insts }) => own + insts.length + 1, 0),
    0,
  );
const sameModule = (one: IrModule, other: IrModule): boolean =>
  one === other ||
  (one.functions.length === other.functions.length &&
    one.functions.every((func, index) => func === other.functions[index]) &&
    one.programs.every(({ func }, index) => func === other.programs[index]?.func));

export function passSteps({ stages, result }: Compilation): readonly PassStep[] {
  const all = stages();
  const lineOf = lineFinder(result.sources);
  const textOf = (module: IrModule): string =>
    irRows(module, lineOf)
      .map(({ text }) => text)
      .join("\n");
  return all.map(({ group, pass, why, module }, index) => {
    const before = all[index - 1]?.module;
    return {
      group,
      pass,
      why,
      instructions: instructionsOf(module),
      changed: !before || (!sameModule(before, module) && textOf(before) !== textOf(module)),
    };
  });
}

const AROUND = 4;

/** What a step has changed; of the first, all of it. */
export function passDifference({ stages, result }: Compilation, step: number): readonly DifferenceRow[] {
  const all = stages();
  const lineOf = lineFinder(result.sources);
  const after = irRows(all[step]!.module, lineOf);
  if (step === 0) return after.map((one) => ({ ...one, kind: "same" }));
  const changes = difference(irRows(all[step - 1]!.module, lineOf), after, (a, b) => a.text === b.text);
  return folded(changes, AROUND, (count) => row(`${count} lines as before`, undefined)).map(({ kind, item }) => ({
    ...item,
    kind,
  }));
}
