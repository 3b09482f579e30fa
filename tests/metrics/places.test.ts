// Where a service tells its numbers, as units, pods and files have it.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { metricsFacts, metricsPort, metricsText } from "../../runtime/cli/metrics-facts.ts";
import { readService, type ServiceSettings } from "../../runtime/project/service-file.ts";
import { unitText } from "../../runtime/service/unit.ts";

/** A service's settings, as its file says them. */
function settings(metrics: object | undefined): ServiceSettings {
  const folder = mkdtempSync(join(tmpdir(), "tsbpf-places-"));
  try {
    const file = join(folder, "service.json");
    writeFileSync(file, JSON.stringify({ programs: { web: { file: "/a.o" } }, metrics }));
    return readService(file);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
const unit = (metrics: object | undefined): string =>
  unitText({
    command: "/usr/bin/tsbpf",
    file: "/etc/tsbpf/service.json",
    socket: "/run/tsbpf/serve.sock",
    pins: "/sys/fs/bpf/tsbpf",
    inKernel: true,
    overNetlink: false,
    entersNamespaces: false,
    ...metricsFacts(settings(metrics)),
  });
const LOCAL = "IPAddressDeny=any\nIPAddressAllow=localhost\n";

test("without metrics nobody reaches the service over the network", () => {
  expect(unit(undefined)).toContain("IPAddressDeny=any\n");
  expect(unit(undefined)).not.toContain("IPAddressAllow");
});
test.each([{}, { listen: "9961" }, { listen: "[::1]:9961" }])("%j: this machine alone", (metrics) => {
  expect(unit(metrics)).toContain(LOCAL);
  expect(metricsPort(settings(metrics))).toBeUndefined();
});
test("an address of the machine's is open, with a word about it, and a pod tells its port", () => {
  const metrics = { listen: "0.0.0.0:9961" };
  expect(unit(metrics)).not.toMatch(/^IPAddress/m);
  expect(unit(metrics)).toContain("# Metrics are told to whoever reaches them");
  expect(metricsPort(settings(metrics))).toBe(9961);
});
test("a Unix socket outside of the service's own folder may be made there", () => {
  expect(unit({ listen: "/srv/m/metrics.sock" })).toContain("ReadWritePaths=-/srv/m\n");
  expect(unit({ listen: "/run/tsbpf/metrics.sock" })).toBe(unit(undefined));
});
test.each([
  undefined,
  {},
  { stats: true },
  { listen: "127.0.0.1:9961", stats: false },
  { listen: "[::]:1" },
  { listen: "/run/m.sock" },
])("%j: what is packed says the same", (metrics) => {
  expect(metricsText(settings(metrics))).toEqual(metrics ? { metrics } : {});
});
