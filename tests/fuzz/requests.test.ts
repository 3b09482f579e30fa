/** What comes over the control socket and in the files of services, by chance: a request or a reason, settings or an error with words. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { TroubleError } from "../../runtime/files/files.ts";
import { readService } from "../../runtime/project/service-file.ts";
import { requestIn } from "../../runtime/service/protocol.ts";
import { dice, type Dice } from "./dice.ts";

const ROUNDS = Number(process.env["FUZZ"] ?? 2_000);
const WORDS = [
  "list",
  "show",
  "reload",
  "stop",
  "metrics",
  "__proto__",
  "constructor",
  "toString",
  "",
  "\u0000",
  "\u001b[2J",
  "../../etc",
  "x".repeat(300),
];
const KEYS = [
  "command",
  "name",
  "detach",
  "programs",
  "file",
  "cgroup",
  "params",
  "keep",
  "socket",
  "pins",
  "log",
  "__proto__",
  "constructor",
];

function value(chance: Dice, depth: number): unknown {
  switch (chance.below(depth > 0 ? 9 : 6)) {
    case 0:
      return null;
    case 1:
      return chance.below(2) === 0;
    case 2:
      return chance.one([0, -1, 1e300, 0.5, chance.below(2 ** 32)]);
    case 3:
    case 4:
      return chance.one(WORDS);
    case 5:
      return String.fromCodePoint(...Array.from({ length: chance.below(6) }, () => chance.below(0xd800)));
    case 6:
      return Array.from({ length: chance.below(4) }, () => value(chance, depth - 1));
    default:
      return record(chance, depth);
  }
}
/** Made of text, so that "__proto__" is a name like any other. */
function record(chance: Dice, depth: number): object {
  const entries = Array.from({ length: chance.below(5) }, () => {
    const key = chance.below(6) === 0 ? chance.one(WORDS) : chance.one(KEYS);
    return `${JSON.stringify(key)}: ${JSON.stringify(value(chance, depth - 1))}`;
  });
  return JSON.parse(`{${entries.join(", ")}}`) as object;
}
function text(chance: Dice, depth: number): string {
  const whole = JSON.stringify(record(chance, depth));
  if (chance.below(4) > 0) return whole;
  const at = chance.below(whole.length + 1);
  return (
    whole.slice(0, at) + chance.one(["", "{", '"', "\\", "]", "\u0000", "\ud800"]) + whole.slice(at + chance.below(3))
  );
}

test(`${ROUNDS} requests: one of the commands, or a reason`, () => {
  const chance = dice(21);
  let known = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const request = requestIn(text(chance, 2));
    if (typeof request === "string") {
      expect(request.length).toBeLessThan(200);
      continue;
    }
    known++;
    expect(Object.getPrototypeOf(request)).toBe(Object.prototype);
    expect(["string", "undefined"]).toContain(typeof (request as { name?: unknown }).name);
  }
  expect(known).toBeGreaterThan(ROUNDS / 500);
});

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tsbpf-fuzz-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

test(`${ROUNDS / 10} files of services: settings, or an error with its place and a remedy`, () => {
  const chance = dice(22);
  let read = 0;
  for (let round = 0; round < ROUNDS / 10; round++) {
    const file = join(folder, "service.json");
    const programs = `{"programs": {"a": {"file": "a.o", "cgroup": "b", "params": ${text(chance, 2)}}}}`;
    writeFileSync(file, round % 2 === 0 ? text(chance, 3) : programs);
    try {
      const { programs } = readService(file);
      read++;
      for (const { name } of programs) expect(name).toMatch(/^\w[\w.-]{0,62}$/);
    } catch (error) {
      if (!(error instanceof TroubleError)) throw error;
      expect(error.message).toContain("service.json");
      expect(error.message.length).toBeLessThan(600);
    }
  }
  expect(read).toBeGreaterThan(ROUNDS / 200);
});
