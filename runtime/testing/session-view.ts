/** One MPTCP session of a test, from its first subflow to its end: the model's events in the order a kernel sends them. */
import { htons } from "../dsl/index.ts";
import { checkFields, type ConnectionFields } from "./connection.ts";
import type { Loaded } from "./call.ts";
import { wait } from "./host.ts";
import type { EndpointValue, ModelSubflow, PathModel, Session, SubflowState } from "./mptcp.ts";

/** What becomes of a subflow that a program asked for. */
export type SubflowFate = "open" | "fail" | "refuse";
export interface SessionOptions {
  /** Decides for each subflow; all of them open unless given. */
  readonly subflow?: (
    asked: { readonly from?: EndpointValue; readonly to?: EndpointValue },
    index: number,
  ) => SubflowFate;
  /** Milliseconds until a subflow is open or is known to have failed; one unless given. */
  readonly delayMs?: number;
}
export interface SubflowView {
  readonly from?: EndpointValue;
  readonly to?: EndpointValue;
  readonly state: SubflowState;
  readonly backup: boolean;
}
export interface SessionView {
  /** The first subflow is up: newSession, fullyEstablished, subflowEstablished. */
  establish(): void;
  /** The peer sent ADD_ADDR. */
  announce(address: {
    readonly id: number;
    readonly addr?: symbol;
    readonly port?: symbol;
    readonly addr6?: string;
  }): void;
  /** The peer sent REMOVE_ADDR: its subflows close. */
  withdraw(id: number): void;
  /** The kernel's worker opens what programs asked for, also what they ask for meanwhile. */
  settle(): void;
  /** Time passes on the host, and timers of its sessions are told when they expire. */
  advance(milliseconds: number): void;
  /** Bytes arrive on the first subflow, or on another one. */
  transfer(bytes: number, index?: number): void;
  /** A subflow breaks; index in `subflows`, error a positive errno. */
  breakSubflow(index: number, error?: number): void;
  /** This host gained or lost an address: told to every session. */
  localAddress(
    change: "added" | "removed",
    address: { readonly addr?: symbol; readonly addr6?: string; readonly byLink?: boolean },
  ): void;
  /** The peer opens a subflow; false if the program refuses it. */
  accept(subflow?: { readonly remoteId?: number; readonly backup?: boolean }): boolean;
  close(): void;
  readonly token: number;
  readonly subflows: readonly SubflowView[];
  readonly first: "established" | "closed";
  readonly announced: readonly EndpointValue[];
}

const ECONNREFUSED = 111;
const ETIMEDOUT = 110;
/** Turns of the worker: a program that answers each subflow with another one would never end. */
const MOST_TURNS = 64;
let lastToken = 0x1000;

export function createSessionView(
  paths: PathModel,
  loaded: Loaded,
  given: Partial<ConnectionFields>,
  options: SessionOptions,
): SessionView {
  checkFields(given);
  const first: Partial<ConnectionFields> = {
    localPort: 40000,
    remotePort: htons(443),
    state: "established",
    sndCwnd: 10,
    mss: 1428,
    ...given,
    token: given.token ?? ++lastToken,
  };
  const token = first.token!;
  let fields = { ...first };
  let own: Session = paths.session(token);
  const emit: PathModel["emit"] = (event, args, _, subflow) =>
    paths.emit(event, args, subflow ? { ...fields, ...endsOf(fields, subflow) } : fields, subflow);
  const ids = (one: ModelSubflow) => ({ localId: one.localId, remoteId: one.remoteId, backup: one.backup });
  const finish = (one: ModelSubflow, state: SubflowState, error: number): void => {
    one.state = state;
    emit("subflowClosed", { ...ids(one), error }, {}, one);
  };

  /** Tells of each subflow that is up when it expires, also of those that a handler closes meanwhile; or once of none. */
  const expire = (): void => {
    own.timer = undefined;
    const up = own.subflows.filter((one) => one.state === "established");
    const isFirstUp = !own.firstClosed;
    if (isFirstUp) emit("timer", { isMaster: true }, {});
    for (const one of up) emit("timer", ids(one), {}, one);
    if (!isFirstUp && up.length === 0) emit("timer", {}, {});
  };
  const timer = { due: () => own.timer, expire };
  let over = wait(loaded.host, timer);
  let isClosed = false;
  /** After its end it is another session with the same token. */
  const beginAgain = (): void => {
    isClosed = false;
    fields = { ...first };
    own = paths.session(token);
    over = wait(loaded.host, timer);
  };
  const advance = (milliseconds: number): void => loaded.host.advance(milliseconds);

  const view: SessionView = {
    token,
    establish() {
      if (isClosed) beginAgain();
      emit("newSession", {}, {});
      emit("fullyEstablished", { isMaster: true }, {});
      emit("subflowEstablished", { isMaster: true }, {});
    },
    announce: (address) => void emit("addRemoteAddress", address, {}),
    withdraw(id) {
      emit("removeRemoteAddress", { id }, {});
      for (const one of own.subflows)
        if (one.remoteId === id && id !== 0 && one.state === "established") finish(one, "closed", 0);
    },
    settle() {
      for (let turn = 0; turn < MOST_TURNS; turn++) {
        const pending = own.subflows.filter((one) => one.state === "pending");
        if (pending.length === 0) return;
        advance(options.delayMs ?? 1);
        for (const one of pending) {
          if (one.state !== "pending") continue;
          const fate = options.subflow?.(one, own.subflows.indexOf(one)) ?? "open";
          if (fate === "fail") finish(one, "failed", ETIMEDOUT);
          else if (fate === "refuse") finish(one, "refused", ECONNREFUSED);
          else {
            one.state = "established";
            emit("fullyEstablished", { isMaster: false }, {}, one);
            emit("subflowEstablished", ids(one), {}, one);
          }
        }
      }
      throw new RangeError(`the program asked for more subflows in each of ${MOST_TURNS} turns: it would never end`);
    },
    advance,
    transfer(bytes, index) {
      if (index === undefined) fields.bytesReceived = (fields.bytesReceived ?? 0n) + BigInt(bytes);
      else own.subflows[index]!.bytesReceived += BigInt(bytes);
    },
    breakSubflow(index, error = ETIMEDOUT) {
      const one = own.subflows[index];
      if (!one) throw new RangeError(`there is no subflow ${index}: the session has ${own.subflows.length}`);
      finish(one, "closed", error);
    },
    localAddress: (change, address) =>
      void emit(change === "added" ? "addLocalAddress" : "removeLocalAddress", address, {}),
    // A reply of 1 refuses (kernel/README.md); -1 is a program that has nothing to say.
    accept: (subflow = {}) => emit("acceptSubflow", subflow, {}).reply !== 1,
    close() {
      for (const one of own.subflows) if (one.state === "established" || one.state === "pending") one.state = "closed";
      emit("closeSession", {}, {});
      own.timer = undefined;
      over();
      isClosed = true;
    },
    get first() {
      return own.firstClosed ? "closed" : "established";
    },
    get announced() {
      return [...own.announced];
    },
    get subflows() {
      return own.subflows.map(({ from, to, state, backup }) => ({
        ...(from ? { from } : {}),
        ...(to ? { to } : {}),
        state,
        backup,
      }));
    },
  };
  return view;
}

/** Addresses of a subflow: what was asked for, else the session's. */
const endsOf = (fields: Partial<ConnectionFields>, one: ModelSubflow): Partial<ConnectionFields> => ({
  ...(one.from?.addr ? { localIp4: one.from.addr } : {}),
  ...(one.to?.addr ? { remoteIp4: one.to.addr } : {}),
  ...(one.to?.port ? { remotePort: one.to.port } : {}),
  localPort: (fields.localPort ?? 40000) + 1,
  bytesReceived: one.bytesReceived,
});
