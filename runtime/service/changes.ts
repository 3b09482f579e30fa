/** From what runs to what is wanted, all of it or nothing. */
import { RuntimeError } from "../kernel/errors.ts";
import { aboutOne } from "./about-one.ts";
import type { Instance, Prepared } from "./instance.ts";
import { prepareKernel } from "./kernel-instance.ts";
import { identityIfThere, identityOf, prepareNetlink } from "./netlink-instance.ts";
import type { ReloadReply } from "./protocol.ts";
import { isSame, type Host, type Target } from "./target.ts";

export interface Changed {
  readonly running: ReadonlyMap<string, Instance>;
  readonly done: ReloadReply;
}

interface Step {
  readonly target: Target;
  readonly old: Instance | undefined;
  readonly prepared: Prepared;
}

/**
 * Makes what is wanted run. First all is loaded, judged by the kernel's verifier and checked; then each takes effect, a
 * program that runs by one atomic update of its link; what is wanted no more ends last. When anything fails on the way,
 * what ran runs on as it did. Throws RuntimeError then.
 */
export function change(running: ReadonlyMap<string, Instance>, wanted: readonly Target[], host: Host): Changed {
  const managers = onePerNamespace(wanted);
  const next = new Map<string, Instance>();
  /** What ends: everything that is not the same, or replaced. */
  const ending = new Map(running);
  const steps: Step[] = [];
  const placed: Step[] = [];
  try {
    for (const target of wanted) {
      const there = running.get(target.name);
      if (there && !there.isLost() && isSame(there.target, target)) {
        next.set(target.name, there);
        ending.delete(target.name);
        continue;
      }
      host.alive();
      const old = predecessor(target, running, managers);
      if (old) ending.delete(old.target.name);
      steps.push({ target, old, prepared: aboutOne(target, () => prepare(target, host, old)) });
    }
    for (const step of steps) {
      host.alive();
      aboutOne(step.target, () => step.prepared.place());
      placed.push(step);
    }
  } catch (error) {
    // Newest first: two may have to do with the same namespace.
    for (const step of steps.toReversed()) step.prepared.undo();
    throw error;
  }
  const done = { added: [] as string[], replaced: [] as string[], removed: [] as string[], same: [...next.keys()] };
  for (const { target, old, prepared } of placed) {
    next.set(target.name, prepared.commit());
    (old ? done.replaced : done.added).push(target.name);
  }
  const inOrder = wanted.flatMap(({ name }) => {
    const one = next.get(name);
    return one ? [[name, one] as const] : [];
  });
  for (const instance of ending.values()) {
    endOne(instance, false, host);
    done.removed.push(instance.target.name);
  }
  return { running: new Map(inOrder), done };
}

const prepare = (target: Target, host: Host, old: Instance | undefined): Prepared =>
  target.backend === "netlink" ? prepareNetlink(target, host, old) : prepareKernel(target, host, old);

/** What a target takes the place of: the one of its name, or the path manager of its namespace. */
function predecessor(
  target: Target,
  running: ReadonlyMap<string, Instance>,
  managers: ReadonlyMap<string, string>,
): Instance | undefined {
  const named = running.get(target.name);
  if (target.backend === "kernel") return named?.target.backend === "kernel" ? named : undefined;
  const identity = [...managers].find(([, name]) => name === target.name)?.[0];
  return [...running.values()].find(
    ({ target: { backend, netns } }) => backend === "netlink" && identityIfThere(netns) === identity,
  );
}

/** The path managers over netlink, by what their namespaces are known by: one has one. */
function onePerNamespace(wanted: readonly Target[]): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const target of wanted) {
    if (target.backend !== "netlink") continue;
    const identity = aboutOne(target, () => identityOf(target.netns));
    const other = found.get(identity);
    if (other !== undefined)
      throw new RuntimeError("bad-argument", `${other} and ${target.name} would manage the same network namespace`, {
        help: "a namespace has one path manager over netlink: take one of them out",
      });
    found.set(identity, target.name);
  }
  return found;
}

/** Ends an instance; what goes wrong is said and keeps nobody else. */
export function endOne(instance: Instance, keep: boolean, host: Host): void {
  try {
    instance.end(keep);
  } catch (error) {
    host.log({ level: "error", program: instance.target.name, text: (error as Error).message });
  }
}
