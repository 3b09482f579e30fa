/** What a name at the top level of a file stands for. */
import type { ts } from "ts-morph";
import type { GlobalVar, MapSpec, Metric } from "../module.ts";
import type { Layout, StructLayout } from "../layout.ts";
import type { MapKind } from "./map-kinds.ts";
import type { LanguageModule, ParsedFile } from "./project.ts";
import type { Operand } from "./operand.ts";
import type { ProgramKind } from "./program-kinds.ts";
import type { DslType, ScalarType } from "./types.ts";

export interface MapEntity {
  readonly kind: "map";
  readonly mapKind: MapKind;
  readonly spec: MapSpec;
  /** Of a ring buffer too: the type of its records. */
  readonly value: Layout;
}
/** Numbers for those who watch: the map that they lie in. */
export interface MetricEntity {
  readonly kind: "metric";
  readonly metric: Metric;
  readonly map: MapEntity;
}
export interface GlobalEntity {
  readonly kind: "global";
  readonly name: string;
  readonly type: DslType;
  /** `let`, or a struct that can be written to. */
  readonly mutable: boolean;
  readonly variable: GlobalVar;
}
export type FunctionNode = ts.FunctionDeclaration | ts.FunctionExpression | ts.ArrowFunction | ts.MethodDeclaration;
export interface FunctionEntity {
  readonly kind: "function";
  readonly name: string;
  readonly file: ParsedFile;
  readonly node: FunctionNode;
}
export interface ProgramEntity {
  readonly kind: "program";
  readonly programKind: ProgramKind;
  readonly name: string;
  readonly file: ParsedFile;
  readonly exported: boolean;
  readonly module: LanguageModule;
  readonly call: ts.CallExpression;
  /** The name in the declaration, for errors. */
  readonly node: ts.Node;
}
export type Entity =
  | { readonly kind: "builtin"; readonly module: LanguageModule; readonly name: string }
  | { readonly kind: "namespace"; readonly module: LanguageModule }
  | { readonly kind: "file"; readonly file: ParsedFile }
  | { readonly kind: "struct"; readonly layout: StructLayout }
  /** A field type with a name: const Bytes = array(u8, 4). */
  | { readonly kind: "layout"; readonly layout: Layout }
  | MapEntity
  | MetricEntity
  | GlobalEntity
  /** A scalar known at compile time. */
  | { readonly kind: "constant"; readonly operand: Operand; readonly type?: ScalarType; readonly bits?: bigint }
  /** A constant record or list of constants. */
  | {
      readonly kind: "object";
      readonly name: string;
      readonly node: ts.Node;
      readonly file: number;
      readonly fields: ReadonlyMap<string, Entity>;
    }
  | FunctionEntity
  | ProgramEntity
  | { readonly kind: "error" };

export const BAD_ENTITY: Entity = { kind: "error" };
