/** YAML 1.2 of plain values in block style; and texts as they are, for templates of Helm's. */

/** A text that goes out as it is. */
export class Verbatim {
  readonly text: (indent: number) => string;
  constructor(text: string | ((indent: number) => string)) {
    this.text = typeof text === "string" ? () => text : text;
  }
}

export type Yaml =
  string | number | boolean | Verbatim | readonly Yaml[] | { readonly [key: string]: Yaml | undefined };

/** Words that need no quotes: nothing that YAML would take for another type, a comment or a mark of its own. */
const PLAIN = /^(?!(?:true|false|yes|no|on|off|null|y|n)$)[A-Za-z/][\w./-]*$/i;
const scalar = (value: string | number | boolean): string =>
  typeof value === "string" && !PLAIN.test(value) ? JSON.stringify(value) : String(value);

const isScalar = (value: Yaml): value is string | number | boolean => typeof value !== "object";
const isList = (value: Yaml): value is readonly Yaml[] => Array.isArray(value);

/** A value that fits behind a key or a dash. */
function inline(value: Yaml): string | undefined {
  if (value instanceof Verbatim) return undefined;
  if (isScalar(value)) return scalar(value);
  if (isList(value)) return value.length === 0 ? "[]" : undefined;
  return Object.values(value).every((one) => one === undefined) ? "{}" : undefined;
}

/** Lines of a value, each with its indent. */
function lines(value: Yaml, indent: number): readonly string[] {
  const pad = " ".repeat(indent);
  if (value instanceof Verbatim) return [`${pad}${value.text(indent)}`];
  const short = inline(value);
  if (short !== undefined || isScalar(value)) return [`${pad}${short}`];
  if (isList(value))
    return value.flatMap((one) => {
      const [first = "", ...rest] = lines(one, indent + 2);
      return [`${pad}- ${first.trimStart()}`, ...rest];
    });
  return Object.entries(value).flatMap(([key, one]) => {
    if (one === undefined) return [];
    const name = `${pad}${scalar(key)}:`;
    const behind = one instanceof Verbatim ? one.text(indent + 2) : inline(one);
    return behind === undefined ? [name, ...lines(one, indent + 2)] : [`${name} ${behind}`];
  });
}

/** One document. */
export const yamlOf = (value: Yaml): string => `${lines(value, 0).join("\n")}\n`;
/** Several in one text. */
export const yamlDocuments = (values: readonly Yaml[]): string => values.map(yamlOf).join("---\n");
