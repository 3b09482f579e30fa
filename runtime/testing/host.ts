/** The machine that the programs of a test run on: its clock, its CPUs, its dice, and the helpers that a test makes fail. */
import { HELPERS, type HelperName } from "../../compiler/bpf/helpers.ts";
import type { MachineServices } from "../vm/helpers.ts";

export interface HostOptions {
  /** Nanoseconds since boot; 1 s unless given. */
  readonly now?: bigint;
  /** Possible CPUs; 4 unless given. */
  readonly cpus?: number;
  /** Seed of randomU32(). */
  readonly seed?: number;
  /** Congestion controls that setSockOpt("TCP_CONGESTION", …) finds; all of the language's unless given. */
  readonly congestionControls?: readonly string[];
  /** Ticks of the kernel's clock in a second (CONFIG_HZ); the target's unless given. */
  readonly hz?: number;
  /** The host's addresses at first, as session.localAddresses() gives them; none unless given. */
  readonly localAddresses?: Host["localAddresses"];
}

export interface Host {
  /** Nanoseconds since boot. */
  now: bigint;
  /** The CPU that the next events run on. */
  cpu: number;
  readonly cpus: number;
  readonly congestionControls: readonly string[];
  readonly hz: number | undefined;
  /** At first; sessions are told of changes. */
  readonly localAddresses: readonly { readonly addr?: symbol; readonly addr6?: string }[];
  /** Moves the clock; timers expire in their order. */
  advance(milliseconds: number): void;
  /** Makes the next `times` calls of a helper (all of them unless given) return `result` without doing anything. */
  fail(helper: HelperName, result: number, times?: number): void;
  /** Ends what fail() began. */
  heal(helper?: HelperName): void;
}

const CONTROLS = ["reno", "cubic", "vegas", "bbr", "dctcp", "westwood", "bic", "htcp", "illinois", "yeah", "nv", "cdg"];
/** Something that waits for a time of the host's clock. */
export interface Waiting {
  /** Nanoseconds since boot; undefined: for nothing now. */
  readonly due: () => bigint | undefined;
  /** Its time has come; it may wait again afterwards. */
  readonly expire: () => void;
}
/** Times that timers may expire while a test lets time pass. */
const MOST_TIMERS = 1_000_000;
const waiting = new WeakMap<Host, Set<Waiting>>();
const failures = new WeakMap<Host, Map<HelperName, { readonly result: number; left: number }>>();
const seeds = new WeakMap<Host, { state: number }>();

export function createHost(options: HostOptions = {}): Host {
  const host: Host = {
    now: options.now ?? 1_000_000_000n,
    cpu: 0,
    cpus: options.cpus ?? 4,
    congestionControls: options.congestionControls ?? CONTROLS,
    hz: options.hz,
    localAddresses: options.localAddresses ?? [],
    advance: (milliseconds) => pass(host, nanoseconds(milliseconds)),
    fail(helper, result, times = Infinity) {
      if (!(helper in HELPERS)) throw new RangeError(`there is no helper bpf_${helper}`);
      failures.get(host)!.set(helper, { result, left: times });
    },
    heal(helper) {
      if (helper === undefined) failures.get(host)!.clear();
      else failures.get(host)!.delete(helper);
    },
  };
  failures.set(host, new Map());
  waiting.set(host, new Set());
  seeds.set(host, { state: (options.seed ?? 1) >>> 0 });
  return host;
}

export const nanoseconds = (milliseconds: number): bigint => BigInt(Math.round(milliseconds * 1e6));

/** Time passes on a host: what waits for it is told, in its order, each at its time. Whoever moves a host's clock calls this. */
export function pass(host: Host, by: bigint): void {
  const end = host.now + by;
  for (let turn = 0; ; turn++) {
    const next = nextOf(host);
    if (!next || next.at > end) break;
    if (turn > MOST_TIMERS) throw new RangeError("a timer is set again and again, and no time passes");
    if (next.at > host.now) host.now = next.at;
    next.expire();
  }
  host.now = end;
}

/** Who waits for the earliest time; of several the one that came first. */
function nextOf(host: Host): { readonly at: bigint; readonly expire: () => void } | undefined {
  let next: { readonly at: bigint; readonly expire: () => void } | undefined;
  for (const { due, expire } of waiting.get(host)!) {
    const at = due();
    if (at !== undefined && (!next || at < next.at)) next = { at, expire };
  }
  return next;
}

/** From now on the host's clock tells it when its time has come. Gives what ends that. */
export function wait(host: Host, one: Waiting): () => void {
  waiting.get(host)!.add(one);
  return () => void waiting.get(host)!.delete(one);
}

/** Takes a host's clock and dice for a while, the dice as this seed makes them. Gives what puts both back. */
export function borrow(host: Host, seed: number): () => void {
  const dice = seeds.get(host)!;
  const [now, state] = [host.now, dice.state];
  dice.state = seed >>> 0;
  return () => {
    host.now = now;
    dice.state = state;
  };
}

/** What the machine asks of the host. `print` takes the lines of log`…`. */
export function servicesOf(host: Host, print: (line: string) => void): MachineServices {
  const seed = seeds.get(host)!;
  return {
    cpus: host.cpus,
    cpu: () => host.cpu,
    now: () => host.now,
    random() {
      seed.state = (Math.imul(seed.state, 1664525) + 1013904223) >>> 0;
      return (seed.state ^ (seed.state >>> 16)) >>> 0;
    },
    print,
    fail(helper) {
      const planned = failures.get(host)!.get(helper);
      if (!planned || planned.left <= 0) return undefined;
      planned.left--;
      return BigInt(planned.result);
    },
  };
}
