/** Templates of Helm's, as far as the charts of `tsbpf package` go: values, `quote`, and `toYaml` with `nindent`. */
import { stringify } from "yaml";

type Values = Readonly<Record<string, unknown>>;

/** Throws on everything else. */
export function rendered(template: string, values: object, release: string): string {
  const scope: Values = { Values: values, Release: { Name: release } };
  const find = (path: string): unknown => {
    let found: unknown = scope;
    for (const name of path.split(".").slice(1)) {
      if (typeof found !== "object" || found === null || !Object.hasOwn(found, name)) throw new Error(`no ${path}`);
      found = (found as Values)[name];
    }
    return found;
  };
  return template.replaceAll(/( *)\{\{(-?) (.*?) \}\}/g, (_, blanks: string, trims: string, text: string) => {
    const quoted = /^(\.\S+) \| quote$/.exec(text);
    if (quoted) return `${blanks}${JSON.stringify(String(find(quoted[1]!)))}`;
    const block = /^toYaml (\.\S+) \| nindent (\d+)$/.exec(text);
    if (!block || trims === "") throw new Error(`what is {{ ${text} }}?`);
    const pad = " ".repeat(Number(block[2]));
    return `\n${stringify(find(block[1]!)).trimEnd().replaceAll(/^/gm, pad)}`;
  });
}
