/** The pages of `tsbpf explain`: each has a right example. Its wrong one is in cases/, where errors.test.ts looks at it. */
import { describe, expect, test } from "vitest";
import { catalogue, type Diagnostic, type Key } from "../../compiler/diagnostics.ts";
import { rightOf } from "../../compiler/diagnostics/pages/page.ts";
import { pages, topics } from "../../compiler/diagnostics/pages/topics.ts";
import { compileCase, expanded, hasCase, readCase } from "./cases.ts";

const said = (list: readonly Diagnostic[]): string[] => list.map((one) => `${one.key}: ${one.message}`);
const keys = Object.keys(pages) as Key[];

describe("pages", () => {
  test("every key has one, in one topic, with an example unless no source leads to it", () => {
    const listed = Object.values(topics).flatMap((topic) => Object.keys(topic));
    expect([...listed].sort()).toEqual(Object.keys(catalogue).sort());
    for (const key of keys) {
      expect(hasCase(key), key).toBe(pages[key].right !== undefined);
      if (!hasCase(key)) expect(pages[key].why, key).toMatch(/\n\nNo (program|source) /);
    }
  });

  test.each(keys)("%s: is said in a line and in sentences", (key) => {
    const { summary, why } = pages[key];
    expect(summary).toMatch(/^\S.{8,70}[^.\s]$/);
    expect(why).toMatch(/^\S[^]{40,}\.$/);
  });

  test.each(keys.filter(hasCase))("%s: its right example is right", (key) => {
    const wrong = readCase(key);
    const right = expanded(rightOf(wrong.written, pages[key].right!));
    expect(said(compileCase(`${key}.ts`, right).diagnostics), right.text.slice(0, 2000)).toEqual([]);
  });
});
