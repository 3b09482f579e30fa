/** The events that the run panel plays before anybody has written any. */
import type { BpfModule } from "../../../../compiler/module.ts";
import { exportsOf } from "../../../testing/views.ts";
import type { EventRow } from "./events.ts";
import type { Viewable } from "./stage.ts";

/** What a row of EVENTS is for, as far as a module has it. */
export function playedBy(module: BpfModule): ReadonlySet<EventRow["of"]> {
  const kinds = new Set<EventRow["of"]>(exportsOf(module).map(({ kind }) => kind));
  if (module.needs.some((need) => need.startsWith("event:mptcp-"))) {
    kinds.delete("sock_ops");
    kinds.add("path-manager");
  }
  if (kinds.size > 0) kinds.add("any");
  return kinds;
}

const USUAL: Readonly<Record<Viewable | "path-manager", string>> = {
  sock_ops: "established client\nwrite\nsend 100\nsend 100\nsend 100\n",
  "path-manager": "session token=7\nestablish\nsettle\nannounce id=1 addr=198.51.100.2\nsettle\nclock 1000\nend\n",
  cgroup_sock_addr: "connect 192.0.2.1:80\nconnect 192.0.2.1:443\nconnect [2001:db8::1]:80\n",
  cgroup_sockopt: "setsockopt SO_PRIORITY 7\ngetsockopt SO_PRIORITY 7\n",
  tcp_congestion_ops: "simulate 10s rate=8mbit delay=20ms queue=27\n",
  mptcp_sched_ops:
    "subflow srttUs=40000\nsubflow srttUs=20000\nsubflow srttUs=10000 backup=true\nschedule\nschedule\nschedule\n",
};

export function usualEvents(module: BpfModule): string {
  const [first] = [...playedBy(module)].filter((of) => of !== "any");
  return first === undefined ? "" : USUAL[first];
}
