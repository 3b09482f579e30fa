/** What must hold of the rows of kinds, and between them and what is written of them. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { kernels } from "../../compiler/bpf/kernels.ts";
import { contextAccess } from "../../compiler/bpf/kinds/access.ts";
import { isThere, isWritable } from "../../compiler/bpf/kinds/fields.ts";
import {
  attachTypesOf,
  COMPILED,
  contextLayout,
  HOOKS,
  KIND_NAMES,
  onCgroups,
  programSection,
  cgroupKind,
  type ContextField,
} from "../../compiler/bpf/kinds/index.ts";
import { memberHook, OPS_STRUCTS, opsStruct, type WritablePlaces } from "../../compiler/bpf/kinds/struct-ops.ts";
import { findMember, kernelTypes } from "../../compiler/bpf/kernel-types.ts";
import { SEEN_STRUCTS, type SeenMember } from "../../compiler/bpf/tcp-sock-members.ts";
import { NEWEST } from "../../compiler/bpf/verifier-rules.ts";
import { PROGRAM_KINDS } from "../../compiler/frontend/program-kinds.ts";

describe.each(KIND_NAMES.filter(onCgroups))("kind %s", (name) => {
  const kind = cgroupKind(name);

  test("has hooks in sections of its own, told apart by their suffixes", () => {
    const hooks = Object.values(cgroupKind(name).hooks);
    expect(hooks.filter(({ section }) => programSection(section)?.type !== name)).toEqual([]);
    expect(new Set(hooks.map(({ suffix }) => suffix)).size).toBe(hooks.length);
    expect(new Set(hooks.map(({ section }) => section)).size).toBe(hooks.length);
  });

  test("lets programs read each field as a whole where it is, and write it where it says so", () => {
    for (const attach of attachTypesOf(name)) {
      const layout = contextLayout(name, attach, kernels.patched.features, NEWEST)!;
      for (const [field, row] of Object.entries(kind.fields)) {
        const may = (access: "read" | "write"): boolean =>
          contextAccess(layout, row.offset, row.bytes, access, false) !== undefined;
        const said = { field, attach, read: may("read"), write: may("write") };
        expect(said).toEqual({ field, attach, read: isThere(row, attach), write: isWritable(row, attach) });
      }
    }
  });
});

describe.each(Object.keys(OPS_STRUCTS))("struct %s", (name) => {
  const { members, needed, named, writes } = opsStruct(name)!;
  const rows = Object.values(members);

  test("has programs of its kind for members, told apart by their suffixes", () => {
    expect(rows.map(memberHook).filter(({ section }) => programSection(section)?.type !== "struct_ops")).toEqual([]);
    expect(new Set(rows.map(({ member }) => member)).size).toBe(rows.length);
  });

  test("is in the extract of the kernel's types, with its members and what may be written", () => {
    const types = kernelTypes();
    expect(rows.filter(({ member }) => findMember(types, name, member)?.type.kind !== "pointer")).toEqual([]);
    for (const [struct, { members: written, anywhere = [] }] of Object.entries<WritablePlaces>(writes)) {
      expect(written.filter((member) => findMember(types, struct, member) === undefined)).toEqual([]);
      expect(anywhere.filter((member) => !written.includes(member))).toEqual([]);
    }
  });

  test("is chosen by a member of so many bytes", () => {
    const { type, offset } = findMember(kernelTypes(), name, "name")!;
    expect(type.kind === "array" && type.length).toBe(named.bytes);
    expect(offset).toBeGreaterThan(0);
  });

  test("has the handlers that it needs", () => {
    expect(needed.flat().filter((handler) => !Object.hasOwn(members, handler))).toEqual([]);
  });
});

/**
 * What no call of a program changes, of each kind: a value that was read stays in its register. One that is here by mistake is wrong code, so that each
 * stands in two places.
 */
const STABLE: Readonly<Record<string, readonly string[]>> = {
  sock_ops: [
    ...[
      "op",
      "family",
      "remote_ip4",
      "local_ip4",
      "remote_ip6",
      "local_ip6",
      "remote_port",
      "local_port",
      "is_fullsock",
      "sk",
    ],
    ...[
      "skb_len",
      "skb_tcp_flags",
      "skb_hwtstamp",
      "mptcp_loc_token",
      "mptcp_rem_token",
      "mptcp_loc_key",
      "mptcp_rem_key",
    ],
    ...["mptcp_addr6", "opt_data"],
  ],
  cgroup_sock_addr: ["user_family", "family", "type", "protocol", "sk"],
  cgroup_sockopt: ["sk", "optval", "optval_end"],
  struct_ops: [],
};
test.each(KIND_NAMES)("fields of %s that are stable are those that no call changes", (name) => {
  const fields: Readonly<Record<string, ContextField>> = COMPILED[name].fields;
  const stable = Object.entries(fields).flatMap(([field, row]) => (row.stable ? [field] : []));
  expect(stable.sort()).toEqual([...STABLE[name]!].sort());
});

/**
 * Members of the kernel's structs are called as the kernel calls them; those that are not, or that are more than a number in the host's order, stand here
 * as well. A name that leads to another member of the same width would be found by no kernel's types.
 */
const RENAMED: Readonly<Record<string, SeenMember>> = {
  "tcp_sock.srttUs": { member: "srtt_us", eighths: true },
  "tcp_sock.ackPending": { member: "icsk_ack.pending" },
  "tcp_sock.tcpState": { member: "skc_state", as: "tcp-state" },
  "tcp_sock.localPort": { member: "skc_num" },
  "tcp_sock.remotePort": { member: "skc_dport", as: "be16" },
  "tcp_sock.localIp4": { member: "skc_rcv_saddr", as: "be32" },
  "tcp_sock.remoteIp4": { member: "skc_daddr", as: "be32" },
  "mptcp_sock.localPort": { member: "skc_num" },
  "mptcp_sock.remotePort": { member: "skc_dport", as: "be16" },
  "mptcp_subflow_context.requestBackup": { member: "request_bkup" },
};
test.each(Object.entries(SEEN_STRUCTS))(
  "members of %s that programs see are the kernel's of that name",
  (struct, rows) => {
    const plainName = (member: string): string =>
      member
        .replace(/^(icsk|skc?|tcp(?=_wstamp))_/, "")
        .replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
    const others = Object.entries<SeenMember>(rows).filter(
      ([name, row]) => Object.keys(row).length > 1 || plainName(row.member) !== name,
    );
    const listed = Object.entries(RENAMED).filter(([name]) => name.startsWith(`${struct}.`));
    expect(Object.fromEntries(others.map(([name, row]) => [`${struct}.${name}`, row]))).toEqual(
      Object.fromEntries(listed),
    );
  },
);

test.each(Object.values(kernels))(
  "the limits of target $name are the kernel's",
  ({ maxOption, maxOptionSpace, maxStack, maxInsns, hz }) => {
    // 40 bytes of options in a header (RFC 9293, 3.1); MAX_BPF_STACK; BPF_MAXINSNS; the choices of kernel/Kconfig.hz.
    expect(maxOptionSpace).toBe(40);
    expect(maxOption).toBeLessThanOrEqual(maxOptionSpace);
    expect(maxOption).toBeGreaterThanOrEqual(16);
    expect([maxStack, maxInsns]).toEqual([512, 4096]);
    expect([100, 250, 300, 1000]).toContain(hz);
  },
);

test("every attach type is one hook's", () => {
  expect(new Set(HOOKS.map(({ attach }) => attach)).size).toBe(HOOKS.length);
});

test("a page says where each function that makes programs runs", () => {
  const page = readFileSync(fileURLToPath(new URL("../../docs/guides/what-runs-where.md", import.meta.url)), "utf8");
  const rows = page.split("\n").filter((line) => line.startsWith("| `"));
  const missing = Object.keys(PROGRAM_KINDS).filter((name) => !rows.some((row) => row.startsWith(`| \`${name}\``)));
  expect(missing).toEqual([]);
});
