/** The comparison with C is fair only if both do the same: same answers, same effects, same maps, for the same events. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { holdsLocalAddresses } from "../../compiler/local-addresses.ts";
import { hasClang } from "./clang.ts";
import { randomEvents, typicalEvents, type SockOpsEvent } from "./events.ts";
import { replay } from "./replay.ts";
import { builds, clangs, clangVariant, ours, type Variant } from "./variants.ts";

const missing = hasClang("clang-19") ? undefined : "no clang-19 with a BPF backend and libbpf's headers";

describe.skipIf(missing !== undefined)(
  `TypeScript and C twins behave alike${missing ? ` (skipped: ${missing})` : ""}`,
  () => {
    test.each(builds)("$twin.program for $target", ({ twin, target }) => {
      const typescript = ours(twin, target);
      const c = clangVariant(twin, target, "clang-19", "v3");
      // The runtime keeps the addresses for both.
      const kept = (variant: Variant): number => variant.module.maps.filter(holdsLocalAddresses).length;
      expect(kept(c)).toBe(kept(typescript));
      const seen = (variant: Variant, events: readonly SockOpsEvent[]): string => {
        const { trace, maps } = replay(variant.module, twin, events, typescript.module);
        return [...trace, ...maps].join("\n");
      };
      const typical = typicalEvents(twin, target);
      // Whatever is compared with: what stops halfway executes little.
      for (const other of clangs(twin, target))
        expect(seen(other, typical), `${other.compiler} ${other.isa}`).toBe(seen(typescript, typical));
      // Events that leave no effect would prove nothing.
      expect(seen(c, typical)).toMatch(/; (setsockopt|store|reserve|open|priority|timer|announce) |args \d{7,}/);
      fc.assert(
        fc.property(randomEvents(twin, target), (events) => {
          expect(seen(typescript, events)).toBe(seen(c, events));
        }),
        { numRuns: 150, seed: 20191, endOnFailure: false },
      );
    });
  },
);
