/** What events happen to: the module in the virtual machine, on one host, or on two with a path between them. */
import type { BpfModule } from "../../../../compiler/module.ts";
import { loadModule, type LoadedModule } from "../../../testing/load-module.ts";
import { connect, type NetworkView, type PathOptions } from "../../../testing/network.ts";
import { together, type ProgramView } from "../../../testing/program-view.ts";
import type { SessionView } from "../../../testing/session-view.ts";
import { exportsOf } from "../../../testing/views.ts";
import type { WireSegment } from "../../protocol.ts";
import { EventError } from "./values.ts";

export type Viewable = ReturnType<typeof exportsOf>[number]["kind"];

export interface Side {
  /** Empty where there is one host alone. */
  readonly name: string;
  readonly loaded: LoadedModule;
  /** Its end of the path. */
  readonly view?: ProgramView;
}

export interface Stage {
  /** Hosts that there are by now: the first one, and the server of a path. */
  readonly sides: readonly Side[];
  /** The export that events of this kind are for: the first, or the one of that name. */
  view(kind: Viewable, name?: string): unknown;
  /** All options and sock_ops programs on one socket. */
  readonly socket: ProgramView;
  /** Puts a path between two hosts; the same from then on. */
  network(options?: PathOptions): NetworkView;
  readonly session: SessionView;
  openSession(fields: Parameters<ProgramView["session"]>[0], options: Parameters<ProgramView["session"]>[1]): void;
  /** What went over the wire in this event. */
  sent(segment: WireSegment): void;
  /** What other events make, by name. */
  readonly kept: Map<string, unknown>;
}

export function createStage(
  module: BpfModule,
  params: Readonly<Record<string, unknown>>,
  sent: (segment: WireSegment) => void,
): Stage {
  const exported = exportsOf(module);
  const load = (): LoadedModule => loadModule(module, { params });
  const sides: Side[] = [{ name: "", loaded: load() }];
  const view = ({ loaded }: Side, kind: Viewable, name?: string): unknown => {
    const one = exported.find((each) => each.kind === kind && (name === undefined || each.name === name));
    if (!one) throw new EventError(`there is no program for this event here`);
    return loaded.views.get(one.name);
  };
  const socketOf = (side: Side): ProgramView => {
    const names = exported.filter(({ kind }) => kind === "sock_ops").map(({ name }) => name);
    const [first, ...rest] = names.map((name) => view(side, "sock_ops", name) as ProgramView);
    if (!first) throw new EventError("there is no program of TCP connections here");
    return rest.length === 0 ? first : together(first, ...rest);
  };
  let socket: ProgramView | undefined;
  let network: NetworkView | undefined;
  let session: SessionView | undefined;
  return {
    sides,
    kept: new Map(),
    view: (kind, name) => view(sides[0]!, kind, name),
    get socket() {
      return (socket ??= socketOf(sides[0]!));
    },
    network(options) {
      if (network) return network;
      const client = sides[0]!;
      const server = { name: "server", loaded: load() };
      network = connect(socketOf(client), socketOf(server), options);
      sides[0] = { name: "client", loaded: client.loaded, view: network.client };
      sides[1] = { ...server, view: network.server };
      return network;
    },
    get session() {
      if (!session) throw new EventError("there is no session: begin one with the event session");
      return session;
    },
    openSession(fields, options) {
      session = (view(sides[0]!, "sock_ops") as ProgramView).session(fields, options);
    },
    sent,
  };
}
