/** A program of a service that runs, and the two steps by which it comes to. */
import type { RuntimeError } from "../kernel/errors.ts";
import type { Declared } from "../metrics/declared.ts";
import type { Listed, Shown } from "./protocol.ts";
import { whereOf, type Target } from "./target.ts";

/** A metric that a program declares, with what was counted. */
export type CountedHere = Pick<Declared, "metric" | "samples">;

export interface Instance {
  readonly target: Target;
  readonly since: Date;
  /** Resolves when its place is gone, or somebody else has ended it. */
  readonly lost: Promise<RuntimeError>;
  /** Whether that has been. */
  isLost(): boolean;
  /** Whether its place is gone, be there another of that name by now or not. */
  isGone(): boolean;
  /** Of path managers over netlink, whose maps lie in this process. */
  declared?(): readonly CountedHere[];
  facts(): Omit<Shown, keyof Listed>;
  /** Ends it; `keep`: the attachment stays for the next start. Throws after all its steps are taken. */
  end(keep: boolean): void;
}

/**
 * A change that is ready: what can be refused has been asked already (by the kernel's verifier, too), and nothing is
 * attached yet. After `prepare` exactly one of `undo` and `commit` is called.
 */
export interface Prepared {
  /** Takes effect. On failure nothing of it has. */
  place(): void;
  /** All is as it was, whether it was placed or not. Never throws. */
  undo(): void;
  /** It stays. Never throws. */
  commit(): Instance;
}

export const listed = (target: Target, state: Listed["state"], since: Date): Listed => ({
  name: target.name,
  program: target.program,
  file: target.file,
  backend: target.backend,
  state,
  at: whereOf(target),
  digest: target.digest,
  since: since.toISOString(),
});

/** Takes all steps, newest first, whatever goes wrong in one, and gives the first error. */
export function allOf(steps: readonly (() => void)[]): unknown {
  let failed: unknown;
  for (const step of steps.toReversed())
    try {
      step();
    } catch (error) {
      failed ??= error;
    }
  return failed;
}
