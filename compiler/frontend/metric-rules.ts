/** What a metric and its label may be called: the rules of Prometheus (as `promtool check metrics` has them), and what the runtime keeps for itself. */
import type { Metric } from "../module.ts";

export interface WrongName {
  readonly wrong: string;
  readonly instead: string;
}
interface Rule {
  readonly breaks: (name: string, type: Metric["type"]) => boolean;
  readonly wrong: string;
  /** The name mended; other rules may have more to mend. */
  readonly instead: (name: string) => string;
}

/** Longer ones are of no use on a graph. */
const LONGEST_NAME = 100;
const TYPES = /(?:^|_)(?:counter|gauge|histogram|summary)(?:_|$)/;
/** Units that are not the base ones of Prometheus, and those. */
const UNITS: Readonly<Record<string, string>> = {
  milliseconds: "seconds",
  microseconds: "seconds",
  nanoseconds: "seconds",
  minutes: "seconds",
  hours: "seconds",
  days: "seconds",
  kilobytes: "bytes",
  megabytes: "bytes",
  kibibytes: "bytes",
  mebibytes: "bytes",
  bits: "bytes",
};
const words = (name: string): readonly string[] => name.split("_");

const NAME_RULES: readonly Rule[] = [
  {
    breaks: (name) => !/^[a-z][a-z0-9_]*$/.test(name) || name.includes("__"),
    wrong: "it is of small letters, digits and single underlines, and begins with a letter",
    instead: (name) =>
      name
        .replace(/([a-z0-9])([A-Z])/g, "$1_$2")
        .toLowerCase()
        .replace(/[^a-z0-9]+/g, "_")
        .replace(/^[^a-z]+|_+$/g, "") || "events",
  },
  {
    breaks: (name) => name.startsWith("tsbpf_"),
    wrong: "tsbpf_ begins the names of the runtime's own",
    instead: (name) => name.replace(/^(?:tsbpf_)+/, "") || "events",
  },
  {
    breaks: (name) => TYPES.test(name),
    wrong: "the type of a metric is no part of its name",
    instead: (name) =>
      words(name)
        .filter((word) => !TYPES.test(word))
        .join("_") || "events",
  },
  {
    breaks: (name) => words(name).some((word) => Object.hasOwn(UNITS, word)),
    wrong: "units are seconds and bytes",
    instead: (name) =>
      words(name)
        .map((word) => (Object.hasOwn(UNITS, word) ? UNITS[word]! : word))
        .join("_"),
  },
  {
    breaks: (name) => /_(?:count|sum|bucket)$/.test(name),
    wrong: "_count, _sum and _bucket are of histograms",
    instead: (name) => name.replace(/(?:_(?:count|sum|bucket))+$/, ""),
  },
  {
    breaks: (name, type) => type === "counter" && !name.endsWith("_total"),
    wrong: "a counter's name ends in _total",
    instead: (name) => `${name}_total`,
  },
  {
    breaks: (name, type) => type === "gauge" && name.endsWith("_total"),
    wrong: "_total ends the name of a counter, and this is a gauge",
    instead: (name) => name.replace(/(?:_total)+$/, ""),
  },
  {
    breaks: (name) => name.length > LONGEST_NAME,
    wrong: `it has more than ${LONGEST_NAME} letters`,
    instead: (name) => `${name.slice(0, 40).replace(/_+$/, "")}${name.endsWith("_total") ? "_total" : ""}`,
  },
];

/** The first rule that a name breaks, and a name that breaks none. */
export function wrongName(name: string, type: Metric["type"]): WrongName | undefined {
  const first = NAME_RULES.find((rule) => rule.breaks(name, type));
  if (!first) return undefined;
  const instead = NAME_RULES.reduce((one, rule) => (rule.breaks(one, type) ? rule.instead(one) : one), name);
  return { wrong: first.wrong, instead };
}

/** What the runtime and Prometheus themselves put beside a sample. */
const TAKEN = ["program", "object", "kind", "place", "version", "digest", "le", "quantile", "job", "instance"];
const MOST_VALUES = 64;
/** It goes through JSON, BTF and the text of Prometheus without an escape. */
const VALUE = /^[A-Za-z0-9_][A-Za-z0-9_.:/ -]{0,30}$/;

/** What is wrong with the name of a label. */
export const wrongLabel = (name: string): string | undefined =>
  !/^[a-z][a-z0-9_]{0,39}$/.test(name)
    ? `${JSON.stringify(name)} is not of small letters, digits and underlines`
    : TAKEN.includes(name)
      ? `${name} has a meaning already`
      : undefined;

/** What is wrong with the values of a label. */
export function wrongValues(values: readonly string[]): string | undefined {
  if (values.length === 0) return "it has no values";
  if (values.length > MOST_VALUES) return `it has ${values.length} values, and ${MOST_VALUES} are the most`;
  const bad = values.find((value) => !VALUE.test(value));
  if (bad !== undefined) return `${JSON.stringify(bad.slice(0, 40))} cannot be a value`;
  const twice = values.find((value, index) => values.indexOf(value) !== index);
  return twice === undefined ? undefined : `${JSON.stringify(twice)} is there twice`;
}

const LONGEST_HELP = 300;
/** What is wrong with a help. */
export const wrongHelp = (help: string | undefined): string | undefined =>
  help === undefined || help.trim() === ""
    ? "no help"
    : help.length > LONGEST_HELP
      ? `a help of more than ${LONGEST_HELP} characters`
      : /\p{Cc}/u.test(help)
        ? "a help of more than one line"
        : undefined;
