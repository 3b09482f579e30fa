// tsbpf/sockopt: getsockopt() and setsockopt() of the processes of a cgroup: see, change, answer or refuse them.
// Any kernel that tsbpf supports.
import type { Field, i32, Program, Ref, SocketOwner, StructName, u32 } from "tsbpf";

/** Which part of the kernel an option is for. */
export declare enum Level { Ip = 0, Socket = 1, Tcp = 6, Udp = 17, Ipv6 = 41, Mptcp = 284 }
/** Options of Level.Socket (SO_…). */
export declare enum SocketOption {
  ReuseAddr = 2, Type = 3, SendBuffer = 7, ReceiveBuffer = 8, KeepAlive = 9, Priority = 12, Linger = 13, ReusePort = 15,
  ReceiveLowWater = 18, BindToDevice = 25, Mark = 36, IncomingCpu = 49, MaxPacingRate = 47, BusyPoll = 46, TxRehash = 74,
}
/** Options of Level.Tcp (TCP_…). */
export declare enum TcpSocketOption {
  NoDelay = 1, MaxSegment = 2, Cork = 3, KeepIdle = 4, KeepInterval = 5, KeepCount = 6, SynCount = 7, Linger2 = 8,
  DeferAccept = 9, WindowClamp = 10, Info = 11, QuickAck = 12, Congestion = 13, UserTimeout = 18, FastOpen = 23,
  NotSentLowWater = 25, FastOpenConnect = 30,
}

/** One call, of either. */
export interface SockOptCtx extends SocketOwner {
  /** For whom it is: Level.Tcp, … */
  readonly level: u32;
  /** Which option of the level: TcpSocketOption.NoDelay, … */
  readonly optname: u32;
  /** Bytes of the value. */
  optlen: i32;
  /** User that the process runs as, in the first user namespace. */
  readonly uid: u32;
  /**
   * The value as a number, in place: `const value = ctx.optval(u32); if (value) value.value = 1;` What is written is what the kernel,
   * or the application, gets. Undefined where the value has fewer bytes. The kernel shows 4096 bytes at most.
   */
  optval<T extends number | bigint | symbol>(type: Field<T>): Ref<T> | undefined;
  /** The value as a struct, a list or a string, in place: its fields may be assigned. */
  optval<T extends object>(type: StructName<T> | Field<T>): T | undefined;
}
/** A call of setsockopt(), before the kernel sees it. */
export interface SetSockOptCtx extends SockOptCtx {
  /** Assigning it makes it an option of another level. */
  level: u32;
  /** Assigning it makes it another option. */
  optname: u32;
  /**
   * Bytes of the value, as the application gave it, of which optval() shows 4096 at most. 0: the kernel takes what the application
   * gave, whatever was written to it here; a value of more than 4096 bytes needs that.
   */
  optlen: i32;
  /** The kernel does not see the call; the application is told that it worked. */
  skipKernel(): undefined;
}
/** A call of getsockopt(), when the kernel has answered. */
export interface GetSockOptCtx extends SockOptCtx {
  /** Bytes of the value that the application gets; not more than it has room for. */
  optlen: i32;
  /** What the kernel's own getsockopt gave: 0, or a negative errno. Assigning 0 makes a failure a success; before Linux 5.18 nothing else may be assigned. */
  retval: i32;
}

/** What is asked when a process of the cgroup sets or reads a socket option. Each handler that is there becomes a program of its own. */
export interface SockOptHooks {
  /** Before the kernel's own. true: the kernel goes on with level, option and value as they now stand; false: setsockopt() fails with EPERM. */
  setsockopt?(this: void, ctx: SetSockOptCtx): boolean;
  /** After the kernel's own. true: the application gets the value as it now stands; false: getsockopt() fails with EPERM. */
  getsockopt?(this: void, ctx: GetSockOptCtx): boolean;
}
/** Programs of a cgroup's socket option hooks: NAME_set and NAME_get, for those of the two that are there. */
export declare function sockOptHook(hooks: SockOptHooks): SockOptHookProgram;
/** What `sockOptHook` gives: export it, and it becomes one program for each handler. */
export interface SockOptHookProgram extends Program<"sockOptHook"> {}

export {};
