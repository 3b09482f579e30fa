/**
 * The path-manager daemon: loads a path manager where the kernel can run it, or runs it here beside netlink where it
 * cannot, and keeps its map of local addresses current either way.
 */
import { holdsLocalAddresses } from "../../compiler/local-addresses.ts";
import type { BpfModule } from "../../compiler/module.ts";
import { BPF } from "../kernel/abi.ts";
import type { Place } from "../kernel/attach-points.ts";
import { bpf } from "../kernel/bpf.ts";
import { failed, RuntimeError } from "../kernel/errors.ts";
import { loadModule, type LoadOptions } from "../kernel/load.ts";
import type { LoadedObject } from "../kernel/object.ts";
import { missing } from "../kernel/probe.ts";
import { keepLocalAddresses, type LocalAddresses } from "../vm/maps/local-addresses.ts";
import { watchAddresses, type AddressWatch } from "./addresses.ts";
import { refuseNamedMap } from "./named-map.ts";

export type BackendName = "kernel" | "netlink";
export interface BackendChoice {
  readonly backend: BackendName;
  /** Why this one, for people. */
  readonly reason: string;
}

/** Does the module manage MPTCP paths, rather than handle options only? */
export const isPathManager = (module: BpfModule): boolean =>
  module.needs.some((need) => /^(event|helper):mptcp/.test(need));

/** Can the netlink backend do all that the module does? Schedulers, congestion controls and hooks are for the kernel alone. */
export const runsOutside = (module: BpfModule): boolean =>
  isPathManager(module) && module.programs.every(({ type }) => type === "sock_ops");

/** The kernel where it has what the module needs, else netlink for path managers. `forced` overrides. */
export function chooseBackend(module: BpfModule, forced?: BackendName): BackendChoice {
  if (forced === "netlink" && !runsOutside(module))
    throw new RuntimeError("bad-argument", "only path managers run on the netlink backend", {
      help: isPathManager(module)
        ? "give the path manager a file of its own: the other programs of this one run in the kernel"
        : "option handlers run in the kernel: leave --backend out",
    });
  if (forced) return { backend: forced, reason: "as asked" };
  if (!isPathManager(module)) return { backend: "kernel", reason: "not a path manager" };
  if (!runsOutside(module)) return { backend: "kernel", reason: "not all of its programs are path managers" };
  const lacking = missing(module.needs);
  return lacking.length === 0
    ? { backend: "kernel", reason: "this kernel has the MPTCP events and helpers" }
    : { backend: "netlink", reason: `this kernel lacks ${lacking[0]!.feature.replace(":", " ")}` };
}

/**
 * Keeps what session.localAddresses() of a loaded object gives current from now on. Gives undefined for objects that do
 * not ask for it. Call it before attaching, so that the first session finds the addresses.
 */
export function followLocalAddresses(
  object: LoadedObject,
  netns: string | undefined,
  warn: (text: string) => void,
): { readonly addresses: LocalAddresses; close(): void } | undefined {
  refuseNamedMap(object.module);
  const spec = object.module.maps.find(holdsLocalAddresses);
  const fd = spec && object.mapFds.get(spec.name);
  if (!spec || fd === undefined) return undefined;
  const key = new Uint8Array(4);
  const store = (value: Uint8Array): void => {
    const result = bpf(BPF.mapUpdate, "element", { map_fd: fd, key, value });
    if (result < 0) throw failed("map-operation", `storing the local addresses in ${spec.name}`, result);
  };
  const addresses = keepLocalAddresses(store, warn);
  const watch: AddressWatch = watchAddresses(
    netns,
    ({ bytes }) => addresses.add(bytes),
    ({ bytes }) => addresses.remove(bytes),
  );
  try {
    for (const { bytes } of watch.current) addresses.add(bytes);
  } catch (error) {
    watch.close();
    throw error;
  }
  return { addresses, close: () => watch.close() };
}

export interface KernelPathManager {
  readonly object: LoadedObject;
  close(): void;
}

/**
 * Loads, fills the local addresses and attaches; on failure nothing stays. `netns` is the namespace whose addresses those are:
 * where the place is a namespace, that one.
 */
export function startKernelPathManager(
  module: BpfModule,
  place: Place,
  options: LoadOptions & { readonly netns?: string; readonly warn?: (text: string) => void } = {},
): KernelPathManager {
  const object = loadModule(module, options);
  try {
    const follow = followLocalAddresses(
      object,
      options.netns ?? (typeof place === "string" ? undefined : place.netns),
      options.warn ?? (() => undefined),
    );
    try {
      object.attach(place);
    } catch (error) {
      follow?.close();
      throw error;
    }
    return {
      object,
      close() {
        follow?.close();
        object.close();
      },
    };
  } catch (error) {
    object.close();
    throw error;
  }
}
