/** What a generated program is run on. */
import type { Program, Struct } from "./ast.ts";
import { type Choices, randomNumbers } from "./choices.ts";
import { zeroStruct, type StructValue } from "./evaluate.ts";
import { interestingInteger } from "./program.ts";

export interface Inputs {
  /** Entries of the hash maps before the first run. */
  readonly entries: ReadonlyMap<string, ReadonlyMap<bigint, bigint | StructValue>>;
  /** One per run; memory stays between the runs. */
  readonly runs: readonly StructValue[];
}

/** Choices without a record: inputs are not shrunk, they follow from the seed. */
function endless(seed: number): Choices {
  const next = randomNumbers(seed);
  return { taken: [], below: (n) => next() % n };
}

export function makeInputs(program: Program, seed: number, runs: number): Inputs {
  const choices = endless(seed);
  const entries = new Map(
    program.maps.map((map) => {
      // Half full, so that inserts find room and then do not.
      const content = new Map<bigint, bigint | StructValue>();
      for (let i = 0; i < map.maxEntries / 2; i++) {
        const value =
          typeof map.value === "string" ? interestingInteger(choices, map.value) : fillStruct(choices, map.value);
        content.set(BigInt(choices.below(map.kind === "array" ? map.maxEntries : 8)), value);
      }
      return [map.name, content] as const;
    }),
  );
  return { entries, runs: Array.from({ length: runs }, () => fillStruct(choices, program.input)) };
}

function fillStruct(choices: Choices, struct: Struct): StructValue {
  const value = zeroStruct(struct);
  for (const { name, type } of struct.fields) {
    if (type.kind === "struct") value[name] = fillStruct(choices, type.of);
    else if (type.kind === "list")
      value[name] = Array.from({ length: type.length }, () => fillStruct(choices, type.of));
    else if (type.kind === "array") {
      value[name] = Array.from({ length: type.length }, () => interestingInteger(choices, type.of));
    } else {
      const as = type.of === "be16" ? "u16" : type.of === "be32" ? "u32" : type.of;
      value[name] = interestingInteger(choices, as);
    }
  }
  return value;
}
