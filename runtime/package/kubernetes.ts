/** The service's ConfigMap and DaemonSet as one file of plain YAML. */
import { DEFAULTS, imageOf, manifestsOf, rolloutWarnings } from "./daemon-set.ts";
import type { Details, Package, ServiceSource } from "./details.ts";
import { digestOfFiles, textFile } from "./files.ts";
import { yamlDocuments } from "./yaml.ts";

export function kubernetes(source: ServiceSource, details: Details): Package {
  const open = { ...DEFAULTS, name: details.name, image: imageOf(details, "kubernetes") };
  const { configMap, daemonSet } = manifestsOf(source, open);
  const files = [textFile("tsbpf.yaml", yamlDocuments([configMap, daemonSet]))];
  return {
    files,
    digest: digestOfFiles(files),
    next: [
      "apply it: kubectl apply -n kube-system -f OUTPUT",
      `watch it: kubectl rollout status -n kube-system daemonset/${details.name}`,
    ],
    warnings: rolloutWarnings(source),
  };
}
