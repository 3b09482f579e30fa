/** The service on the nodes of a Kubernetes cluster: a ConfigMap with its file and objects, and a DaemonSet with no more rights than they take. */
import { RuntimeError } from "../kernel/errors.ts";
import { capabilitiesOf } from "../service/unit.ts";
import type { Details, ServiceSource } from "./details.ts";
import { digestOfFiles, textFile } from "./files.ts";
import type { Yaml } from "./yaml.ts";

/** Where a container has the file and the objects; each is mounted by itself, so that the folder is the image's and nobody may write it. */
const CONFIG_FOLDER = "/etc/tsbpf";
const CONFIG = "service.json";
/** A ConfigMap may have 1 MiB, with its names. */
const MOST_BYTES = 1_000_000;
/** Where the image has the command. */
export const COMMAND = "/usr/bin/tsbpf";

/** What a template leaves open; plain values in plain YAML. */
export interface Open {
  readonly name: Yaml;
  readonly image: Yaml;
  readonly resources: Yaml;
  readonly nodeSelector: Yaml;
  readonly tolerations: Yaml;
  readonly priorityClassName: Yaml;
}
/** What stands where nobody says otherwise. */
export const DEFAULTS = {
  resources: { requests: { cpu: "10m", memory: "96Mi" }, limits: { memory: "256Mi" } },
  nodeSelector: { "kubernetes.io/os": "linux" },
  /** Connections on all nodes are to have their programs. */
  tolerations: [{ operator: "Exists" }],
  priorityClassName: "system-node-critical",
} as const;

export interface Manifests {
  readonly configMap: Yaml;
  readonly daemonSet: Yaml;
}

/** Throws where a pod cannot do what the programs take. */
export function manifestsOf(source: ServiceSource, open: Open): Manifests {
  if (source.overNetlink)
    throw new RuntimeError(
      "kind-not-taken",
      "a path manager over netlink switches net.mptcp.pm_type of its network namespace, which a container may not",
      { help: 'run it on the node: tsbpf package debian, or serve unit; on the patched kernel: backend: "kernel"' },
    );
  const config = source.config(CONFIG_FOLDER);
  const bytes = source.objects.reduce((sum, one) => sum + Math.ceil(one.bytes.length / 3) * 4, config.length);
  if (bytes > MOST_BYTES)
    throw new RuntimeError(
      "bad-argument",
      `its objects take ${bytes} bytes, and a ConfigMap has room for ${MOST_BYTES}`,
      {
        help: "divide the programs among several services",
      },
    );
  const digest = digestOfFiles([textFile(CONFIG, config), ...source.objects]).slice("sha256:".length);
  return { configMap: configMapOf(source, open, config, digest), daemonSet: daemonSetOf(source, open, digest) };
}

const labelsOf = ({ name }: Open): { readonly [key: string]: Yaml } => ({
  "app.kubernetes.io/name": "tsbpf",
  "app.kubernetes.io/instance": name,
});

/** Its name goes with its contents: a change of either is a rollout, and the one before is there to go back to. */
const configName = (digest: string): string => `tsbpf-${digest.slice(0, 10)}`;

const configMapOf = ({ objects }: ServiceSource, open: Open, config: string, digest: string): Yaml => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name: configName(digest), labels: labelsOf(open) },
  immutable: true,
  data: { [CONFIG]: config },
  binaryData: Object.fromEntries(objects.map(({ path, bytes }) => [path, Buffer.from(bytes).toString("base64")])),
});

function daemonSetOf(source: ServiceSource, open: Open, digest: string): Yaml {
  const { objects, metricsPort, pins, socket } = source;
  const labels = labelsOf(open);
  const probe = { command: [COMMAND, "serve", "list", "--json", "--socket", socket] };
  const files = [CONFIG, ...objects.map(({ path }) => path)];
  const capabilities = capabilitiesOf(source);
  return {
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: { name: open.name, labels },
    spec: {
      selector: { matchLabels: labels },
      // One node at a time; with keep its programs stay attached in between.
      updateStrategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 1 } },
      template: {
        metadata: {
          labels,
          annotations: {
            "tsbpf/digest": `sha256:${digest}`,
            ...(metricsPort === undefined
              ? {}
              : {
                  "prometheus.io/scrape": "true",
                  "prometheus.io/port": String(metricsPort),
                  "prometheus.io/path": "/metrics",
                }),
          },
        },
        spec: {
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          // Names of network namespaces, and addresses that count, are the node's.
          hostNetwork: true,
          terminationGracePeriodSeconds: 30,
          nodeSelector: open.nodeSelector,
          tolerations: open.tolerations,
          priorityClassName: open.priorityClassName,
          securityContext: { seccompProfile: { type: "RuntimeDefault" } },
          containers: [
            {
              name: "tsbpf",
              image: open.image,
              args: ["serve", `${CONFIG_FOLDER}/${CONFIG}`, "--json"],
              env: [{ name: "TSBPF_NO_CODE_CACHE", value: "1" }],
              ...(metricsPort === undefined
                ? {}
                : { ports: [{ name: "metrics", containerPort: metricsPort, protocol: "TCP" }] }),
              securityContext: {
                runAsUser: 0,
                privileged: false,
                readOnlyRootFilesystem: true,
                // Kubernetes refuses false beside CAP_SYS_ADMIN.
                ...(capabilities.includes("CAP_SYS_ADMIN") ? {} : { allowPrivilegeEscalation: false }),
                capabilities: { drop: ["ALL"], add: capabilities.map((name) => name.replace(/^CAP_/, "")) },
              },
              resources: open.resources,
              startupProbe: { exec: probe, periodSeconds: 2, timeoutSeconds: 10, failureThreshold: 30 },
              readinessProbe: { exec: probe, periodSeconds: 30, timeoutSeconds: 10 },
              livenessProbe: { exec: probe, periodSeconds: 60, timeoutSeconds: 20, failureThreshold: 3 },
              volumeMounts: [
                ...files.map((path) => ({
                  name: "config",
                  mountPath: `${CONFIG_FOLDER}/${path}`,
                  subPath: path,
                  readOnly: true,
                })),
                { name: "cgroup", mountPath: "/sys/fs/cgroup", readOnly: true },
                { name: "bpffs", mountPath: bpffsOf(pins) },
                { name: "run", mountPath: "/run/tsbpf" },
                ...(source.entersNamespaces
                  ? [{ name: "netns", mountPath: "/run/netns", mountPropagation: "HostToContainer", readOnly: true }]
                  : []),
              ],
            },
          ],
          volumes: [
            { name: "config", configMap: { name: configName(digest), defaultMode: 0o444 } },
            { name: "cgroup", hostPath: { path: "/sys/fs/cgroup", type: "Directory" } },
            { name: "bpffs", hostPath: { path: bpffsOf(pins), type: "Directory" } },
            { name: "run", hostPath: { path: "/run/tsbpf", type: "DirectoryOrCreate" } },
            ...(source.entersNamespaces
              ? [{ name: "netns", hostPath: { path: "/run/netns", type: "DirectoryOrCreate" } }]
              : []),
          ],
        },
      },
    },
  };
}
/** The mount that the pins lie below. */
const bpffsOf = (pins: string): string =>
  pins.startsWith("/sys/fs/bpf/") ? "/sys/fs/bpf" : pins.replace(/\/[^/]*$/, "");

/** The image, which a manifest cannot do without. */
export function imageOf({ image }: Details, format: string): string {
  if (image !== undefined) return image;
  throw new RuntimeError("bad-argument", "where is the image of the service?", {
    help: `tsbpf package container makes it; name it as the registry has it: tsbpf package ${format} FILE --image registry.example/tsbpf:1`,
  });
}
/** What is to be said of a service on many nodes. */
export const rolloutWarnings = ({ keep, metricsHost, metricsPort }: ServiceSource): readonly string[] => [
  ...(keep ? [] : ["without `keep: true` connections go without their programs while a pod is replaced"]),
  ...(metricsHost === undefined || metricsPort !== undefined
    ? []
    : [`metrics are told at ${metricsHost} of the node alone: for a Prometheus elsewhere listen at "0.0.0.0:9961"`]),
];
