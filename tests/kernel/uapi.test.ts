import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { HELPERS } from "../../compiler/bpf/helpers.ts";
import { ATTACH_TYPES } from "../../compiler/bpf/kinds/attach-types.ts";
import { COMPILED, type ContextField } from "../../compiler/bpf/kinds/index.ts";
import { kernels } from "../../compiler/bpf/kernels.ts";
import { SOCK_OPS_CALLBACKS, SOCK_OPS_EVENTS, SOCK_OPS_FIELDS } from "../../compiler/bpf/kinds/sock-ops.ts";
import { isKnownTo, SOCKET_OPTIONS, type SocketOption } from "../../compiler/bpf/socket-options.ts";
import { cachedKernel, repository } from "./kernel.ts";

interface Uapi {
  readonly ops: Readonly<Record<string, number>>;
  readonly callbackFlags: Readonly<Record<string, number>>;
  readonly mptcpFlags: Readonly<Record<string, number>>;
  readonly sockopts: Readonly<Record<string, number>>;
  readonly attachTypes: Readonly<Record<string, number>>;
  readonly helpers: Readonly<Record<string, number>>;
  readonly sockOps: {
    readonly size: number;
    readonly fields: Readonly<Record<string, { readonly offset: number; readonly size: number }>>;
  };
}

const read = (path: string) => JSON.parse(readFileSync(path, "utf8")) as Uapi;
const uapi = read(join(repository, "kernel/uapi.json"));

describe("the compiler's tables agree with include/uapi of the patched kernel", () => {
  const { directory, missing } = cachedKernel();
  test.skipIf(missing)(`kernel/uapi.json is what the tree says${missing ? ` (skipped: ${missing})` : ""}`, () => {
    expect(uapi).toEqual(read(join(directory ?? "", "uapi.json")));
  });

  test("events", () => {
    const table = Object.fromEntries(Object.values(SOCK_OPS_EVENTS).map((event) => [event.kernel, event.op]));
    expect({ BPF_SOCK_OPS_VOID: 0, ...table }).toEqual(uapi.ops);
  });

  test("context fields", () => {
    const fields = Object.entries(SOCK_OPS_FIELDS as Readonly<Record<string, ContextField>>);
    const table = Object.fromEntries(
      fields.map(([name, { offset, bytes, count = 1 }]) => [name, { offset, size: bytes * count }]),
    );
    const args = { offset: 4, size: 16 };
    expect({ ...table, args, reply: { offset: 4, size: 4 }, replylong: args }).toEqual(uapi.sockOps.fields);
    expect(uapi.sockOps.size).toBe(288);
  });

  test("helpers", () => {
    const table = Object.entries(HELPERS).map(([name, helper]) => [`bpf_${name}`, helper.id]);
    expect(uapi.helpers).toMatchObject(Object.fromEntries(table));
    expect(table.map(([name]) => name)).toContain("bpf_mptcp_open_subflow");
  });

  test("attach types", () => {
    expect(uapi.attachTypes).toEqual({ BPF_NETNS_SOCK_OPS: ATTACH_TYPES.netns_sock_ops });
    expect(COMPILED.sock_ops.onNetns).toBe("netns_sock_ops");
  });

  test("callback flags", () => {
    const all = Object.values(SOCK_OPS_CALLBACKS).reduce((bits, { bit }) => bits | bit, 0);
    expect(all).toBe(uapi.callbackFlags["BPF_SOCK_OPS_ALL_CB_FLAGS"]);
    expect(SOCK_OPS_CALLBACKS.TcpOptions.bit).toBe(uapi.callbackFlags["BPF_SOCK_OPS_TCP_OPTIONS_CB_FLAG"]);
    expect(SOCK_OPS_CALLBACKS.WriteOption.bit).toBe(uapi.callbackFlags["BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG"]);
  });

  test("socket options", () => {
    // Those of TCP that this release has.
    const table = Object.entries(SOCKET_OPTIONS).filter(
      ([name, row]: [string, SocketOption]) =>
        name.startsWith("TCP_") &&
        (["set", "get"] as const).some((call) => isKnownTo(row, call, kernels.patched.oldest)),
    );
    expect(uapi.sockopts).toMatchObject(Object.fromEntries(table.map(([name, { number }]) => [name, number])));
  });
});
