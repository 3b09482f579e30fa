/** `scheduler` as a test sees it: sessions with subflows, and its handlers to call on them, as net/mptcp/sched.c calls them. */
import type { KernelObject } from "../vm/kernel-objects.ts";
import { isActive } from "../vm/subflows.ts";
import { FRESH, nameIn } from "./congestion-view.ts";
import type { HookViewParts } from "./hook-view.ts";
import { viewStruct, type Viewed } from "./kernel-struct-view.ts";
import { handlersOf } from "./struct-ops-view.ts";

type Fields = Readonly<Record<string, unknown>>;
/** What a session starts with where a test says nothing. */
const SESSION: Fields = { token: 1, family: 2, sndbuf: 2_626_560 };
/** What the peer's window takes beyond what was sent. */
const WINDOW = 65_536n;
/** Of a subflow's connection, besides what every connection starts with. */
const CONNECTION: Fields = { sndbuf: 87_040, pacingRate: 1_250_000n };

interface Subflow extends Fields {
  scheduled: boolean;
}
interface Session extends Fields {
  readonly subflows: Subflow[];
}

const internals = new WeakMap<object, HookViewParts<"mptcp_sched_ops">>();
/** What a loaded scheduler was made of; undefined for anything else. */
export const schedulerParts = (view: object): HookViewParts<"mptcp_sched_ops"> | undefined => internals.get(view);
/** What net.mptcp.scheduler knows it by. */
export const schedulerName = ({ name, shared }: HookViewParts<"mptcp_sched_ops">): string =>
  nameIn(shared.machine.module.structOps?.find((one) => one.name === name)?.values.name ?? new Uint8Array()) || name;

export function schedulerView(parts: HookViewParts<"mptcp_sched_ops">): object {
  const { shared, name, hooks } = parts;
  const { machine } = shared;
  const viewed: Viewed = new WeakMap();
  const known = new Map<bigint, KernelObject>();
  const make = (struct: "mptcp_sock" | "mptcp_subflow_context" | "tcp_sock", fields: Fields, what: string) => {
    const made = viewStruct(machine, viewed, struct, fields, what);
    const object = viewed.get(made)!;
    known.set(object.address, object);
    return { made, object };
  };

  function addSubflow(session: Session, given: Fields = {}): Subflow {
    const { tcp = {}, ...fields } = given;
    const subflowId = session.subflows.length + 1;
    const { made, object } = make("mptcp_subflow_context", { subflowId, ...fields }, "a Subflow");
    const connection = make("tcp_sock", { ...FRESH, ...CONNECTION, ...(tcp as Fields) }, "the tcp of a Subflow");
    object.set("tcp_sock", connection.object.address);
    machine.join(viewed.get(session)!, object);
    Object.defineProperty(made, "tcp", { enumerable: true, value: connection.made });
    session.subflows.push(made as unknown as Subflow);
    return made as unknown as Subflow;
  }

  function session(given: Fields = {}): object {
    const { subflows = [], windowEnd, ...fields } = given;
    const { made, object } = make("mptcp_sock", { ...SESSION, ...fields }, "an MptcpSock");
    object.set("wnd_end", (windowEnd as bigint | undefined) ?? object.get("snd_nxt") + WINDOW);
    Object.defineProperties(made, {
      subflows: { enumerable: true, value: [] },
      add: { value: (more?: Fields) => addSubflow(made as unknown as Session, more) },
    });
    for (const one of subflows as readonly Fields[]) addSubflow(made as unknown as Session, one);
    return made;
  }

  const handlers = handlersOf<Session, "mptcp_sched_ops">(parts, {
    ops: "mptcp_sched_ops",
    viewed,
    makes: `a session that ${name}.session() made`,
    services: (socket) => ({ socket }),
  });
  /** What sends now: nothing where the program says so, or chose none that can; they are no longer scheduled then. */
  const choosing =
    (handler: string) =>
    (chosenFor: Session): readonly Subflow[] => {
      const found = handlers[handler]!(chosenFor) === true;
      const chosen = chosenFor.subflows.filter(({ scheduled }) => scheduled);
      for (const one of chosen) one.scheduled = false;
      return found ? chosen.filter((one) => isActive(viewed.get(one)!, (address) => known.get(address))) : [];
    };
  const made = {
    ...handlers,
    session,
    getSend: choosing("getSend"),
    getRetrans: choosing(hooks.has("getRetrans") ? "getRetrans" : "getSend"),
  };
  internals.set(made, parts);
  return made;
}
