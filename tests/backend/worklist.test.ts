import { expect, test } from "vitest";
import { Worklist } from "../../compiler/backend/worklist.ts";

const all = (list: Worklist<number>): number[] => {
  const taken: number[] = [];
  for (let item = list.take(); item !== undefined; item = list.take()) taken.push(item);
  return taken;
};

test("gives each thing once, in the order in which they came", () => {
  const list = new Worklist<number>();
  for (const item of [3, 1, 3, 2]) list.add(item);
  expect(list.delete(1)).toBe(true);
  expect(list.delete(1)).toBe(false);
  list.add(1);
  expect([...list]).toEqual([3, 2, 1]);
  expect(all(list)).toEqual([3, 2, 1]);
});

test("goes on after it was empty, and with what comes while it is worked on", () => {
  const list = new Worklist<number>();
  expect(list.take()).toBeUndefined();
  list.add(1);
  expect(list.take()).toBe(1);
  expect(list.take()).toBeUndefined();
  list.add(1);
  list.add(2);
  expect(list.take()).toBe(1);
  list.add(3);
  list.add(1);
  list.delete(3);
  expect(all(list)).toEqual([2, 1]);
});
