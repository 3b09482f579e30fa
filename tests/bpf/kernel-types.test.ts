/** The extract of the kernel's structs: what it says in text is what programs are compiled with. */
import { expect, test } from "vitest";
import { findMember, kernelTypes, printKernelTypes, readKernelTypes } from "../../compiler/bpf/kernel-types.ts";

test("reads back as it is printed", () => {
  const types = kernelTypes();
  expect(readKernelTypes(printKernelTypes(types))).toEqual(types);
});

test("members are found through what a struct begins with, and in parts without a type name", () => {
  const found = findMember(kernelTypes(), "tcp_sock", "icsk_ack.pending")!;
  expect(found.path.map(({ name }) => name)).toEqual(["inet_conn", "icsk_ack.pending"]);
  expect(findMember(kernelTypes(), "tcp_sock", "no_such_member")).toBeUndefined();
});
