/** `congestionControl` as a test sees it: connections of the model, and its handlers to call on them. */
import { findMember } from "../../compiler/bpf/kernel-types.ts";
import {
  CONGESTION_OPS,
  PRIVATE_AREA,
  type CongestionHandler,
  type OpMember,
} from "../../compiler/bpf/kinds/struct-ops.ts";
import { ACK_SAMPLE, RATE_SAMPLE, TCP_SOCK, type SeenMember } from "../../compiler/bpf/tcp-sock-members.ts";
import { TCP_STATES, type TcpStateName } from "../../compiler/bpf/tcp-states.ts";
import { sizeOf, type BigEndianLayout, type Layout } from "../../compiler/layout.ts";
import type { KernelObject } from "../vm/kernel-objects.ts";
import { finished, observer, type Loaded } from "./call.ts";
import type { HookViewParts } from "./hook-view.ts";
import { fromBytes, toBytes } from "./values.ts";

type Value = number | bigint | boolean | symbol | string;
type Members = Readonly<Record<string, SeenMember>>;
const SAMPLES: Readonly<Record<string, Members>> = { ack_sample: ACK_SAMPLE, rate_sample: RATE_SAMPLE };

/** What a connection starts with where a test says nothing: the kernel's own beginning, on a path of 100 ms. */
const DEFAULTS: Readonly<Record<string, Value>> = {
  sndCwnd: 10,
  sndCwndClamp: 0xffff_ffff,
  sndSsthresh: 0x7fff_ffff,
  mssCache: 1448,
  advmss: 1448,
  srttUs: 100_000,
  maxPacingRate: 0xffff_ffff_ffff_ffffn,
  pacingShift: 10,
  tcpState: "established",
  family: 2,
};
const EIGHTHS = 3n;

const BE: Readonly<Record<"be16" | "be32", BigEndianLayout>> = {
  be16: { kind: "be", bits: 16 },
  be32: { kind: "be", bits: 32 },
};

/** A property of a view of a struct, by name. */
function accessors(loaded: Loaded, object: KernelObject, members: Members): PropertyDescriptorMap {
  const { types } = loaded.machine.kernel;
  return Object.fromEntries(
    Object.entries(members).map(([name, seen]) => {
      const found = findMember(types, object.struct, seen.member)!;
      const isBool = found.bits === 1 || (found.type.kind === "int" && found.type.bool === true);
      const wide = found.type.kind === "int" && found.type.bytes === 8;
      return [
        name,
        {
          enumerable: true,
          get: (): Value => {
            if (seen.as === "be16" || seen.as === "be32")
              return fromBytes(BE[seen.as], object.bytes(seen.member)) as symbol;
            const raw = object.get(seen.member);
            if (seen.as === "tcp-state")
              return (
                Object.keys(TCP_STATES).find((state) => TCP_STATES[state as TcpStateName] === Number(raw)) ?? "close"
              );
            if (isBool) return raw !== 0n;
            return wide ? raw : Number(seen.eighths ? raw >> EIGHTHS : raw);
          },
          set(value: Value) {
            if (seen.as === "be16" || seen.as === "be32")
              return void object.bytes(seen.member).set(toBytes(BE[seen.as], value, name));
            if (seen.as === "tcp-state") return object.set(seen.member, BigInt(TCP_STATES[value as TcpStateName]));
            if (
              typeof value === "symbol" ||
              typeof value === "string" ||
              (typeof value === "number" && !Number.isInteger(value))
            )
              throw new TypeError(`${name}: ${String(value)} is not a whole number`);
            const whole = BigInt(value);
            object.set(seen.member, seen.eighths ? whole << EIGHTHS : whole);
          },
        },
      ];
    }),
  );
}

/** What the congestion control keeps, field by field. */
function stateView(object: KernelObject, layout: Layout): object {
  const bytes = object.bytes(PRIVATE_AREA).subarray(0, sizeOf(layout));
  if (layout.kind !== "struct") return {};
  return Object.defineProperties(
    {},
    Object.fromEntries(
      layout.fields.map((field) => {
        const own = bytes.subarray(field.offset, field.offset + sizeOf(field.layout));
        return [
          field.name,
          {
            enumerable: true,
            get: () => fromBytes(field.layout, own),
            set: (value: unknown) => own.set(toBytes(field.layout, value, field.name)),
          },
        ];
      }),
    ),
  );
}

export function congestionView({ hooks, shared, name }: HookViewParts): object {
  const { machine } = shared;
  const objects = new WeakMap<object, KernelObject>();
  const layout = machine.module.structOps?.find((one) => one.name === name)?.state;

  function view(struct: string, members: Members, given: Readonly<Record<string, unknown>>, what: string): object {
    const object = machine.object(struct);
    const properties = accessors({ ...shared, program: name }, object, members);
    const made = Object.defineProperties({}, properties) as Record<string, unknown>;
    objects.set(made, object);
    for (const [key, value] of Object.entries(given)) {
      if (!Object.hasOwn(members, key)) throw new TypeError(`${what} has no ${key}`);
      made[key] = value;
    }
    return made;
  }
  function socket(given: Readonly<Record<string, unknown>> = {}): object {
    const { state, ...fields } = given;
    const made = view("tcp_sock", TCP_SOCK, { ...DEFAULTS, ...fields }, "a TcpSock") as Record<string, unknown>;
    const acks: number[] = [];
    const kept = layout && stateView(objects.get(made)!, layout);
    if (kept && state) Object.assign(kept, state);
    return Object.defineProperties(made, {
      state: { enumerable: true, value: kept },
      acksSent: { enumerable: true, value: acks },
    });
  }

  function call(handler: CongestionHandler, row: OpMember, given: readonly unknown[]): number | undefined {
    const [sk] = given as readonly [Record<string, Value> & { readonly acksSent: number[] }];
    const object = objects.get(sk);
    if (!object) throw new TypeError(`${handler}: the first argument is a connection that ${name}.socket() made`);
    const program = hooks.get(handler);
    if (!program) return undefined;
    const args = row.args.map((arg, index) => {
      if (index === 0) return object;
      const value = given[index] ?? 0;
      if (!("struct" in arg)) return BigInt(value as number | bigint);
      const known = objects.get(value);
      if (known) return known;
      return objects.get(
        view(
          arg.struct,
          SAMPLES[arg.struct]!,
          (given[index] ?? {}) as Record<string, unknown>,
          `the sample of ${handler}`,
        ),
      )!;
    });
    const entry = shared.history.begin(program.program, handler);
    program.steps.last = 0;
    const before = { ...sk };
    const outcome = machine.run(program.program, {
      args,
      read: () => 0,
      services: {
        socket: sk,
        sendAck: (rcvNxt) => void sk.acksSent.push(rcvNxt),
        observe: observer(program, entry, () => ""),
      },
    });
    finished(program, entry, outcome);
    for (const key of Object.keys(TCP_SOCK))
      if (before[key] !== sk[key]) entry.effects.push(`${key} ${String(before[key])} → ${String(sk[key])}`);
    return row.returns ? outcome.returned >>> 0 : undefined;
  }

  return {
    socket,
    ...Object.fromEntries(
      Object.entries<OpMember>(CONGESTION_OPS).map(([handler, row]) => [
        handler,
        (...given: readonly unknown[]) => call(handler as CongestionHandler, row, given),
      ]),
    ),
  };
}
