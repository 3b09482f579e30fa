/** `tsbpf/compiler`: source text in, object bytes or diagnostics out; no file is touched. */
export { compile, prepare, type CompileOptions, type CompileResult } from "./compile.ts";
export type { Diagnostic, Note } from "./diagnostics.ts";
export type { BpfModule, BpfProgram, GlobalVar, MapSpec } from "./module.ts";
export type { SourceFile, Span } from "./span.ts";
export type { TargetName } from "./bpf/kernels.ts";
export { version } from "./version.generated.ts";
