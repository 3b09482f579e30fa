/** Pages about metrics. */
import type { metrics } from "../metrics.ts";
import type { Page } from "./page.ts";

export const metricPages = {
  "metric-name": {
    summary: "a metric's name is none by the rules of Prometheus",
    why: "Metrics of all programs of a machine are shown together, and by Prometheus. Its names are of small letters, digits and underlines; a counter's ends in _total, and units are seconds and bytes. Names that begin with tsbpf_ are the runtime's own.",
    right: [
      ['"Requests"', '"requests_total"'],
      ['"waited_milliseconds_total"', '"waited_seconds_total"'],
      ['"tsbpf_depth"', '"depth"'],
    ],
  },
  "metric-twice": {
    summary: "two metrics of an object have the same name",
    why: "Who reads the name could not tell which of them it is.",
    right: [['export const b = metric("seen_total"', 'export const b = metric("passed_total"']],
  },
  "metric-map-name": {
    summary: "two metrics have variables that the kernel cannot tell apart",
    why: "A metric lies in a map that is called like its variable, and the kernel keeps 15 letters of that. Who finds the map there reads its metric by this name.",
    right: [["export const connections_seen_again", "export const again_seen"]],
  },
  "metric-help": {
    summary: "a metric does not say what it counts",
    why: "A number without a word is of no use to who did not write the program; the help goes wherever the number is shown. It is one line of at most 300 characters.",
    right: [
      ["{}", '{ help: "Connections that were seen." }'],
      ['help: ""', 'help: "Connections that passed."'],
    ],
  },
  "metric-label": {
    summary: "a metric's label has no name, no values, or such as cannot be shown",
    why: "A metric with a label is one number for each of the label's values, which are known when the program is compiled: at most 64, of letters, digits and the signs _ . : / - and blank. The names program, object, kind, place, version, digest, le, quantile, job and instance have a meaning already.",
    right: [
      ['label: "program"', 'label: "result"'],
      ['label: "side", values: []', 'label: "side", values: ["client", "server"]'],
      ['values: ["in", "in"]', 'values: ["in", "out"]'],
      ['{ help: "C.", label: "way" }', '{ help: "C.", label: "way", values: ["in", "out"] }'],
    ],
  },
  "metric-property": {
    summary: "a metric is declared with a property that there is not",
    why: "A metric has a help, perhaps a type, and perhaps a label with its values.",
    right: [['help: "Seen.", unit: "seconds"', 'help: "Seen."']],
  },
  "metric-value": {
    summary: "a number is added under a value that the label has not got",
    why: "The values of a label are slots of a map, made before the program runs.",
    right: [['seen.add("inn", 1n)', 'seen.add("in", 1n)']],
  },
  "metric-method": {
    summary: "a metric is read, or set",
    why: "A metric is for those who watch, and lies in one copy for each CPU: the program adds to the copy of the CPU that it runs on, and nobody reads the sum there.",
    right: [["seen.set(1n)", "seen.add(1n)"]],
  },
} satisfies Readonly<Record<keyof typeof metrics, Page>>;
