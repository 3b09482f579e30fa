/** Segments with hostile options, for every bundled program that reads options: as a peer may send them. */
import { join } from "node:path";
import { load, type TcpUnderTest } from "tsbpf/testing";
import { programNames, programsFolder, targetsOf } from "../programs.ts";
import { dice, type Dice } from "./dice.ts";

/** Kinds of bundled programs, of the kernel, and of experiments. */
const KINDS = [0, 1, 2, 3, 4, 5, 8, 28, 29, 30, 34, 42, 66, 77, 200, 253, 254, 255];
/** What is free in a header beside the kernel's own timestamps. */
const MOST = 28;
/** Segments on one connection before the next begins. */
const EACH = 500;

/** Options as a peer may send them: whole ones, cut off ones, lengths that lie, and noise. */
function options(chance: Dice, seen: readonly Uint8Array[]): Uint8Array {
  const shape = chance.below(8);
  if (shape === 0) return chance.bytes(chance.below(MOST + 1));
  const bytes: number[] = [];
  // What the program itself has written, changed a little, goes deepest.
  if (shape >= 5 && seen.length > 0) {
    bytes.push(...chance.one(seen));
    for (let flips = chance.below(4); flips > 0 && bytes.length > 0; flips--)
      bytes[chance.below(bytes.length)] = chance.one([0, 1, 2, 0x7f, 0x80, 0xff, chance.below(256)]);
  }
  while (bytes.length < MOST && chance.below(4) > 0) {
    const kind = chance.below(3) === 0 ? chance.below(256) : chance.one(KINDS);
    const length = chance.below(5) === 0 ? chance.below(256) : 2 + chance.below(20);
    bytes.push(kind);
    if (kind > 1) bytes.push(length, ...chance.bytes(Math.max(0, Math.min(length - 2, MOST))));
  }
  return Uint8Array.from(bytes.slice(0, MOST));
}

export interface Parser {
  readonly name: string;
  readonly target: string;
  readonly view: TcpUnderTest;
}

const readsSegments = (value: unknown): value is TcpUnderTest =>
  typeof value === "object" && value !== null && "parse" in value && "established" in value;

/** Every program that hears of segments, on every target that it runs on. */
export async function parsers(): Promise<readonly Parser[]> {
  const found: Parser[] = [];
  for (const name of programNames)
    for (const target of targetsOf(name)) {
      const exports: object = await load(join(programsFolder, `${name}.ts`), { target });
      for (const [key, view] of Object.entries(exports))
        if (readsSegments(view)) found.push({ name: `${name}.${key}`, target, view });
    }
  return found;
}

/**
 * Sends so many segments to a program, on connections of both sides that speak meanwhile. Throws, with the seed and the bytes, where
 * the virtual machine meets a fault: an access out of bounds, a wrong argument, a run without an end.
 */
export function storm({ name, target, view }: Parser, count: number, seed: number): void {
  const chance = dice(seed);
  const seen: Uint8Array[] = [];
  let connection = view;
  let last: Uint8Array | undefined;
  try {
    for (let sent = 0; sent < count; sent++) {
      if (sent % EACH === 0) {
        connection = view.on();
        const side = chance.one(["client", "server"] as const);
        if (side === "client") keep(seen, connection.connecting());
        else keep(seen, connection.request(options(chance, seen)));
        connection.established(side);
      }
      last = options(chance, seen);
      connection.parse(last);
      if (chance.below(16) === 0) keep(seen, connection.send(chance.below(1500)));
      if (sent % EACH === EACH - 1) connection.changeState("close");
    }
  } catch (error) {
    throw new Error(
      `${name} on ${target}, seed ${seed}, options ${Buffer.from(last ?? []).toString("hex")}: ${(error as Error).message}`,
      { cause: error },
    );
  }
}
const keep = (seen: Uint8Array[], written: Uint8Array | undefined): void => {
  if (written && seen.length < 16) seen.push(written);
};
