/** What lowering finds out about names, beside the program: for editors, which show it where the name stands. */
import type { StructLayout } from "./layout.ts";
import type { Span } from "./span.ts";

export type Finding = FoundVariable | FoundStruct | FoundOption | FoundHandler;

/** A local variable or parameter. A function that is lowered for several kinds of arguments says each. */
export interface FoundVariable {
  readonly kind: "variable";
  /** The name where it is declared. */
  readonly at: Span;
  readonly name: string;
  /** As users write it: "u32", "be16", "Addr | undefined". */
  readonly type: string;
  /** Its type is written there. */
  readonly annotated: boolean;
}
export interface FoundStruct {
  readonly kind: "struct";
  /** Its name, or the call where it has none. */
  readonly at: Span;
  readonly layout: StructLayout;
}
/** A TCP option, as it goes over the wire. */
export interface FoundOption {
  readonly kind: "option";
  /** The name of the constant. */
  readonly at: Span;
  readonly name: string;
  readonly number: number;
  /** The identifier of an experiment (RFC 6994). */
  readonly experiment?: number;
  readonly payload: StructLayout;
  /** Bytes before the payload: kind, length, and an experiment's identifier. */
  readonly header: number;
  /** Bytes of the whole option. */
  readonly length: number;
}
export interface FoundHandler {
  readonly kind: "handler";
  /** Its name, or its function where it has none. */
  readonly at: Span;
  readonly body: Span;
  readonly name: string;
  /** The exported constant that it belongs to. */
  readonly of: string;
}
