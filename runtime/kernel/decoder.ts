/**
 * Readers of values, generated per layout: one expression that reads every field at its place, so that a struct costs
 * what its object costs, and nothing is looked up per record. What comes out is described in codec.ts.
 */
import { sizeOf, type Layout } from "../../compiler/layout.ts";
import type { Value } from "./codec.ts";

export type Decoder = (view: DataView, at: number) => Value;

/** Reads written out at most for a field and for an array; larger ones are read by calls and loops. */
const MOST_READS = { field: 128, array: 16 } as const;

/** What generated code calls for the parts that are no single read. */
interface Helpers {
  readonly text: (view: DataView, at: number, size: number) => string;
  readonly list: (view: DataView, at: number, length: number, stride: number, element: Decoder) => Value[];
  readonly parts: Decoder[];
}

const utf8 = new TextDecoder();
/** A zero-padded string. */
export const readText: Helpers["text"] = (view, at, size) => {
  const bytes = new Uint8Array(view.buffer, view.byteOffset + at, size);
  const end = bytes.indexOf(0);
  return utf8.decode(bytes.subarray(0, end < 0 ? size : end));
};
const list: Helpers["list"] = (view, at, length, stride, element) => {
  const values: Value[] = [];
  for (let index = 0; index < length; index++) values.push(element(view, at + index * stride));
  return values;
};

/** A function that reads a value of the layout; the same one for the same layout. */
export function decoderFor(layout: Layout): Decoder {
  const before = made.get(layout);
  if (before) return before;
  const helpers: Helpers = { text: readText, list, parts: [] };
  const body = expression(layout, 0, helpers);
  // Layouts come from object files too: nothing of theirs gets into the text but numbers and names as string literals.
  // eslint-disable-next-line @typescript-eslint/no-implied-eval -- reading records is what takes the time
  const make = new Function(
    "helpers",
    `"use strict"; const { text, list, parts } = helpers; return (view, at) => (${body});`,
  );
  const decoder = (make as (helpers: Helpers) => Decoder)(helpers);
  made.set(layout, decoder);
  return decoder;
}
const made = new WeakMap<Layout, Decoder>();

function expression(layout: Layout, offset: number, helpers: Helpers): string {
  const at = offset === 0 ? "at" : `at + ${offset}`;
  switch (layout.kind) {
    case "int": {
      const sign = layout.signed ? "Int" : "Uint";
      if (layout.bits === 8) return `view.get${sign}8(${at})`;
      return layout.bits === 64 ? `view.getBig${sign}64(${at}, true)` : `view.get${sign}${layout.bits}(${at}, true)`;
    }
    case "be":
      return layout.bits === 64 ? `view.getBigUint64(${at}, false)` : `view.getUint${layout.bits}(${at}, false)`;
    case "cstring":
      return `text(view, ${at}, ${layout.size})`;
    case "array": {
      const stride = sizeOf(layout.of);
      if (layout.length * reads(layout.of) <= MOST_READS.array) {
        const elements = Array.from({ length: layout.length }, (_, index) =>
          expression(layout.of, offset + index * stride, helpers),
        );
        return `[${elements.join(", ")}]`;
      }
      return `list(view, ${at}, ${layout.length}, ${stride}, ${part(layout.of, helpers)})`;
    }
    case "struct": {
      const fields = layout.fields.map(({ name, layout: inner, offset: place }) => {
        const value =
          reads(inner) > MOST_READS.field
            ? `${part(inner, helpers)}(view, at + ${offset + place})`
            : expression(inner, offset + place, helpers);
        // As a plain key __proto__ would set the prototype.
        return `${name === "__proto__" ? '["__proto__"]' : JSON.stringify(name)}: ${value}`;
      });
      return `{ ${fields.join(", ")} }`;
    }
  }
}

/** A reader of its own for a part; gives the text that names it. */
function part(layout: Layout, helpers: Helpers): string {
  helpers.parts.push(decoderFor(layout));
  return `parts[${helpers.parts.length - 1}]`;
}

/** How many single reads a value takes, written out. */
function reads(layout: Layout): number {
  if (layout.kind === "array") return layout.length * reads(layout.of);
  if (layout.kind === "struct") return layout.fields.reduce((sum, field) => sum + reads(field.layout), 0);
  return 1;
}
