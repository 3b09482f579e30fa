/** Which mistakes an editor can mend, and how. Where a key has no row, what is to be done depends on what is meant: the remedy says so in words. */
import type { Diagnostic, FactsOf, Key } from "../diagnostics.ts";
import type { SourceFile, Span } from "../span.ts";
import { asTold, importing, insert, marked, unwrap, wrap, write, type Fix, type Marked } from "./fix.ts";
import {
  beforeConst,
  converted,
  indentOf,
  letInstead,
  maximum,
  namedExport,
  nearest,
  orElse,
  renamed,
  signed,
  tagged,
  withoutCall,
} from "./fix-forms.ts";

/** Makes the fix from the facts, the place (that of the diagnostic, or another) and the remedy's words; undefined where this one has none. */
type Maker<P> = (facts: P, at: (span?: Span) => Marked, help: string | undefined) => Fix | undefined;

const FIXES: { readonly [K in Key]?: Maker<FactsOf<K>> } = {
  // language.ts
  "type-error": (f, at, help) => f.fix ?? (f.place && asTold(help, at(f.place))),
  "unused-parameter": (f, at) => (f.name === "this" ? undefined : write(at(), `_${f.name}`, `call it _${f.name}`)),
  "not-exported": (_, at) => beforeConst(at(), "export "),
  "default-export": (_, at) => namedExport(at()),
  var: (_, at) => letInstead(at()),
  "loop-variable": (_, at) => insert(at(), "const ", "declare it: const"),
  "loose-equality": (f, at) => f.fix ?? write(at(), f.instead),
  assertion: (f, at) => converted(f.cast, at()),
  "non-null-assertion": (f) => f.fix,
  "range-bound": (_, at) => maximum(at()),
  // types.ts
  fraction: (f, at) => f.product?.fix ?? (f.whole === "0" ? undefined : write(at(), f.whole)),
  "mixed-width": (f, at, help) => f.place && asTold(help, at(f.place)),
  "signed-unsigned": (f, at) => f.place && wrap(at(f.place), f.unsigned),
  "type-mismatch": (_, at, help) => asTold(help, at()),
  "not-comparable": (f, at, help) => f.place && asTold(help, at(f.place)),
  "converted-twice": (f, at) => unwrap(at(), f.name),
  "host-order-already": (f, at) => unwrap(at(), f.name),
  "prefix-host-bits": (f, at) => write(at(), JSON.stringify(f.network)),
  "unknown-field": (f, at) => nearest(f.name, f.known, at()),
  "no-member": (f, at) => nearest(f.name, f.known ?? [], at()),
  "log-call": (_, at) => tagged(at()),
  "unsigned-countdown": (f, at) => f.place && signed(at(f.place), f.type),
  "zero-or-missing": (f, at) => (f.or ? orElse(at()) : undefined),
  "not-a-function": (_, at) => withoutCall(at()),
  "needs-initial": (f, at) => importing(at(), "u32", write(at(), `${f.name}: u32 = 0`)),
  "parameter-type": (f, at) => importing(at(), "u32", write(at(), `${f.name}: u32`)),
  // declarations.ts
  "map-method": (f, at) => nearest(f.name, f.known, at()),
  "update-mode": (_, at) => write(at(), '"any"'),
  "ref-of-struct": (_, at) => renamed(at(), "ref", "get"),
  "ring-size": (f, at) => write(at(), String(f.next)),
  "writes-alone": (_, at) =>
    insert(
      at(),
      `established(conn) {\n${indentOf(at())}  conn.startWriting();\n${indentOf(at())}},\n${indentOf(at())}`,
      "begin writing when the connection is established",
    ),
  license: (_, at) => write(at(), '"GPL"'),
  "no-license": (f) => f.fix,
  // proof.ts
  "does-not-fit": (f, at) =>
    f.instead !== undefined ? write(at(), f.instead) : /^[ui]\d+$/.test(f.what) ? wrap(at(), f.what) : undefined,
};

/** The keys of which some reports have a fix. */
export const fixable = Object.keys(FIXES) as Key[];

/** The same diagnostics, each with its fix where there is one. `sources` are the files that spans point into. */
export const withFixes = (diagnostics: readonly Diagnostic[], sources: readonly SourceFile[]): Diagnostic[] =>
  diagnostics.map((one) => {
    const fix = fixOf(one, sources);
    return fix ? { ...one, fix } : one;
  });

function fixOf(one: Diagnostic, sources: readonly SourceFile[]): Fix | undefined {
  const make = FIXES[one.key] as Maker<unknown> | undefined;
  const { span } = one;
  if (!make || !span || !sources[span.file]) return undefined;
  return make(one.facts, (other = span) => marked(other, sources[other.file]!.text), one.help);
}
