/**
 * Programs of the language as data: what the generator makes, the printer writes as TypeScript and the evaluator runs.
 * Every expression carries its type by the rules of the language, so that a program is well-typed by construction.
 */
export type IntName = "u8" | "u16" | "u32" | "i32" | "u64" | "i64";
export type ScalarName = IntName | "boolean" | "be16" | "be32";

export const INTS = {
  u8: { bits: 8, signed: false, big: false },
  u16: { bits: 16, signed: false, big: false },
  u32: { bits: 32, signed: false, big: false },
  i32: { bits: 32, signed: true, big: false },
  u64: { bits: 64, signed: false, big: true },
  i64: { bits: 64, signed: true, big: true },
} as const satisfies Record<IntName, { bits: number; signed: boolean; big: boolean }>;

/** The type arithmetic has: u8 and u16 count as u32. */
export const promoted = (type: IntName): "u32" | "i32" | "u64" | "i64" =>
  type === "u8" || type === "u16" ? "u32" : type;

export interface Field {
  readonly name: string;
  readonly type: FieldType;
}
export type FieldType =
  | { readonly kind: "scalar"; readonly of: Exclude<ScalarName, "boolean"> }
  | { readonly kind: "array"; readonly of: IntName; readonly length: number }
  | { readonly kind: "list"; readonly of: Struct; readonly length: number }
  | { readonly kind: "struct"; readonly of: Struct };
export interface Struct {
  readonly name: string;
  readonly packed: boolean;
  readonly fields: readonly Field[];
}

export type ArithmeticOp = "+" | "-" | "*" | "/" | "%" | "&" | "|" | "^";
export type ShiftOp = "<<" | ">>" | ">>>";
export type CompareOp = "===" | "!==" | "<" | "<=" | ">" | ">=";

/** Somewhere a value lies: a variable, or a field or element reached from one. */
export interface Place {
  readonly root: string;
  readonly path: readonly Step[];
  readonly type: ScalarName;
}
/** A field; an index below the length by construction, or by a check of the named variable; or any number masked to a power-of-two length. */
export type Step =
  | { readonly kind: "field"; readonly name: string }
  | { readonly kind: "at"; readonly index: number }
  | { readonly kind: "at-counter"; readonly counter: string }
  | { readonly kind: "at-masked"; readonly index: Expr; readonly mask: number };

export type Expr =
  | { readonly kind: "literal"; readonly type: IntName; readonly value: bigint }
  | { readonly kind: "truth"; readonly type: "boolean"; readonly value: boolean }
  /** `sizeOf(S)`, in bytes. */
  | { readonly kind: "size"; readonly type: "u32"; readonly struct: Struct }
  | { readonly kind: "read"; readonly type: ScalarName; readonly place: Place }
  | {
      readonly kind: "arithmetic";
      readonly type: IntName;
      readonly op: ArithmeticOp;
      readonly left: Expr;
      readonly right: Expr;
    }
  | { readonly kind: "shift"; readonly type: IntName; readonly op: ShiftOp; readonly left: Expr; readonly count: Expr }
  | {
      readonly kind: "compare";
      readonly type: "boolean";
      /** The type both sides are compared in. */
      readonly as: ScalarName;
      readonly op: CompareOp;
      readonly left: Expr;
      readonly right: Expr;
    }
  | {
      readonly kind: "logic";
      readonly type: "boolean";
      readonly op: "&&" | "||";
      readonly left: Expr;
      readonly right: Expr;
    }
  | { readonly kind: "not"; readonly type: "boolean"; readonly value: Expr }
  | { readonly kind: "unary"; readonly type: IntName; readonly op: "-" | "~"; readonly value: Expr }
  | { readonly kind: "cast"; readonly type: IntName; readonly value: Expr }
  | {
      readonly kind: "conditional";
      readonly type: ScalarName;
      readonly test: Expr;
      readonly then: Expr;
      readonly else: Expr;
    }
  | {
      readonly kind: "pick";
      readonly type: "u32" | "i32" | "u64";
      readonly op: "min" | "max";
      readonly left: Expr;
      readonly right: Expr;
    }
  /** htons, ntohs, htonl, ntohl. */
  | { readonly kind: "swap"; readonly type: "u16" | "u32" | "be16" | "be32"; readonly value: Expr }
  | { readonly kind: "call"; readonly type: ScalarName; readonly func: string; readonly args: readonly Given[] }
  | { readonly kind: "assign"; readonly type: ScalarName; readonly place: Place; readonly value: Expr }
  | {
      readonly kind: "step";
      readonly type: IntName;
      readonly place: Place;
      readonly op: "++" | "--";
      readonly prefix: boolean;
    }
  /** `array[index] ?? otherwise`. The place leads to the array. */
  | {
      readonly kind: "element";
      readonly type: IntName;
      readonly array: Place;
      readonly length: number;
      readonly index: Expr;
      readonly otherwise: Expr;
    }
  /** `map.get(key) ?? otherwise`, of a map with integer values. */
  | {
      readonly kind: "map-get";
      readonly type: IntName;
      readonly map: string;
      readonly key: Expr;
      readonly otherwise: Expr;
    }
  | {
      readonly kind: "map-set";
      readonly type: "i32";
      readonly map: string;
      readonly key: Expr;
      readonly value: Expr;
      readonly mode: "any" | "insert" | "update";
    }
  | { readonly kind: "map-delete"; readonly type: "i32"; readonly map: string; readonly key: Expr };

/** What a parameter or a field is given: a number, a struct or list that lies somewhere, or a new struct. */
export type Given = Expr | Whole | New;
/** A struct or list that lies there: a parameter stands for it, a field gets its bytes. */
export interface Whole {
  readonly kind: "whole";
  readonly place: Place;
}
/** `new S({ … })` with some fields given. */
export interface New {
  readonly kind: "new";
  readonly struct: Struct;
  readonly init: readonly { readonly field: string; readonly value: Given }[];
}

export type Stmt =
  | {
      readonly kind: "let";
      readonly name: string;
      readonly type: ScalarName;
      readonly fixed: boolean;
      readonly init: Expr;
    }
  /** A local struct. */
  | { readonly kind: "let-struct"; readonly name: string; readonly made: New }
  /** `const name = helper(…)`: another name for the struct that the helper gives back. */
  | { readonly kind: "refer-call"; readonly name: string; readonly func: string; readonly args: readonly Given[] }
  /** `new S(place)`: a copy. */
  | { readonly kind: "let-copy"; readonly name: string; readonly struct: Struct; readonly from: Place }
  /** `const name = place` or `const name = test ? place : other`: another name for a struct or a list that lies there. */
  | {
      readonly kind: "refer";
      readonly name: string;
      readonly from: Place;
      readonly instead?: { readonly test: Expr; readonly place: Place };
    }
  | { readonly kind: "copy-struct"; readonly to: Place; readonly from: Place }
  /** `op` is empty for a plain assignment. */
  | { readonly kind: "set"; readonly place: Place; readonly op: "" | ArithmeticOp | ShiftOp; readonly value: Expr }
  | { readonly kind: "run"; readonly expr: Expr }
  | { readonly kind: "if"; readonly test: Expr; readonly then: readonly Stmt[]; readonly else: readonly Stmt[] }
  | {
      readonly kind: "switch";
      readonly value: Expr;
      /** Labels of a type that the value is compared in; each is evaluated when its turn comes. */
      readonly cases: readonly { readonly labels: readonly Expr[]; readonly body: readonly Stmt[] }[];
      /** `at`: how many cases are written before it. */
      readonly default?: { readonly at: number; readonly body: readonly Stmt[] };
    }
  | {
      readonly kind: "range";
      readonly counter: string;
      /** Absent: exactly `most` turns. */
      readonly count?: Expr;
      readonly most: number;
      readonly label?: string;
      readonly body: readonly Stmt[];
    }
  | {
      readonly kind: "for";
      readonly counter: string;
      readonly type: IntName;
      readonly from: bigint;
      readonly op: "<" | "<=" | ">" | ">=";
      readonly to: bigint;
      readonly by: bigint;
      readonly label?: string;
      readonly body: readonly Stmt[];
    }
  | {
      readonly kind: "for-of";
      /** A number, or a name for a struct of a list. */
      readonly name: string;
      readonly array: Place;
      readonly length: number;
      readonly body: readonly Stmt[];
    }
  /** `const name = map.get(key); if (name) { … } else { … }`, of a map with struct values. */
  | {
      readonly kind: "with-entry";
      readonly name: string;
      readonly map: string;
      readonly key: Expr;
      readonly then: readonly Stmt[];
      readonly else: readonly Stmt[];
    }
  /** `const name = list[index]; if (name) { … } else { … }`. */
  | {
      readonly kind: "with-element";
      readonly name: string;
      /** Its type is written: where an index depends on a variable that a loop assigns, tsc cannot always find it. */
      readonly declared?: Struct;
      readonly list: Place;
      readonly length: number;
      readonly index: Expr;
      readonly then: readonly Stmt[];
      readonly else: readonly Stmt[];
    }
  /** `let name: S | undefined = first; for (const counter of range(turns)) { if (name) { … } else { … } name = next; }` */
  | {
      readonly kind: "walk";
      readonly name: string;
      readonly struct: Struct;
      readonly counter: string;
      readonly turns: number;
      /** Absent: undefined. */
      readonly first?: Element;
      readonly next: Element;
      readonly then: readonly Stmt[];
      readonly else: readonly Stmt[];
    }
  | { readonly kind: "break" | "continue"; readonly label?: string }
  | { readonly kind: "return"; readonly value: Given };

/** `list[index]`, which may not be there. */
export interface Element {
  readonly list: Place;
  readonly length: number;
  readonly index: Expr;
}

export interface Func {
  readonly name: string;
  readonly params: readonly { readonly name: string; readonly type: ScalarName | Struct }[];
  readonly returns: ScalarName | Struct;
  readonly body: readonly Stmt[];
}

export interface Param {
  readonly name: string;
  readonly type: IntName;
  readonly initial: bigint;
}
/** `const name: type = value`, computed by the compiler in that type. */
export interface Constant {
  readonly name: string;
  readonly type: IntName;
  readonly value: Expr;
}
export type Global =
  | { readonly kind: "scalar"; readonly name: string; readonly type: IntName; readonly initial: bigint }
  | { readonly kind: "struct"; readonly name: string; readonly struct: Struct };
export interface MapDecl {
  readonly name: string;
  /** A hash map with u32 keys, or an array of slots. */
  readonly kind: "hash" | "array";
  readonly value: IntName | Struct;
  readonly maxEntries: number;
}

/** `input` and `output` are one-entry arrays of In and Out, packed or not; the program reads the one and fills the other. */
export interface Program {
  readonly structs: readonly Struct[];
  readonly input: Struct;
  readonly output: Struct;
  readonly constants: readonly Constant[];
  readonly params: readonly Param[];
  readonly globals: readonly Global[];
  readonly maps: readonly MapDecl[];
  readonly functions: readonly Func[];
  readonly body: readonly Stmt[];
}
