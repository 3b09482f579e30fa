/** The same as a chart of Helm's: what differs from cluster to cluster is in values.yaml. */
import { DEFAULTS, imageOf, manifestsOf, rolloutWarnings, type Open } from "./daemon-set.ts";
import type { Details, Package, ServiceSource } from "./details.ts";
import { digestOfFiles, textFile } from "./files.ts";
import { Verbatim, yamlOf } from "./yaml.ts";

const text = (value: string): Verbatim => new Verbatim(`{{ .Values.${value} | quote }}`);
/** A mapping or a list below its key. */
const block = (value: string): Verbatim =>
  new Verbatim((indent) => `{{- toYaml .Values.${value} | nindent ${indent} }}`);

const TEMPLATE: Open = {
  name: new Verbatim("{{ .Release.Name | quote }}"),
  image: text("image"),
  resources: block("resources"),
  nodeSelector: block("nodeSelector"),
  tolerations: block("tolerations"),
  priorityClassName: text("priorityClassName"),
};

export function helm(source: ServiceSource, details: Details): Package {
  const { configMap, daemonSet } = manifestsOf(source, TEMPLATE);
  const chart = {
    apiVersion: "v2",
    name: details.name,
    description: `TCP programs of tsbpf: ${source.objects.map(({ path }) => path.replace(/\.o$/, "")).join(", ")}`,
    type: "application",
    version: chartVersion(details.version),
    appVersion: details.version,
    kubeVersion: ">=1.21.0-0",
  };
  const files = [
    textFile("Chart.yaml", yamlOf(chart)),
    textFile("values.yaml", yamlOf({ image: imageOf(details, "helm"), ...DEFAULTS })),
    textFile("templates/configmap.yaml", yamlOf(configMap)),
    textFile("templates/daemonset.yaml", yamlOf(daemonSet)),
  ];
  return {
    files,
    digest: digestOfFiles(files),
    next: [`install it: helm upgrade --install ${details.name} OUTPUT -n kube-system`],
    warnings: rolloutWarnings(source),
  };
}
/** Charts have semantic versions. */
const chartVersion = (version: string): string =>
  /^\d+\.\d+\.\d+([-+].*)?$/.test(version) ? version : `0.0.0+${version.replace(/[^\w.-]/g, "-")}`;
