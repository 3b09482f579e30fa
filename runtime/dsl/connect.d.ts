// tsbpf/connect: connect() of the processes of a cgroup, before the kernel acts on it: send it elsewhere, bind its source, refuse it.
// Any kernel that tsbpf supports. UDP sockets that connect() are asked too; sendto() is not.
import type { be16, be32, Errno, Ip6, Program, SocketOwner, u32, u64 } from "tsbpf";
import type { GetSockOpts, SetSockOpts } from "tsbpf/tcp";

/** One call of connect(), of either family. */
export interface ConnectCtx extends SocketOwner {
  /** Family of the socket: AF_INET (2) or AF_INET6 (10). */
  readonly family: u32;
  /** SOCK_STREAM (1), SOCK_DGRAM (2), … */
  readonly type: u32;
  /** IPPROTO_TCP (6), IPPROTO_UDP (17), IPPROTO_MPTCP (262), … */
  readonly protocol: u32;
  /** The port that is connected to, in network byte order: write htons(443). Assigning it sends the connection there. */
  remotePort: be16;
  /** Process that calls, as user space counts them (ps shows it). */
  readonly pid: u32;
  /** User that it runs as, in the first user namespace. */
  readonly uid: u32;
  /** The kernel's number of the socket: no other has it, until the next boot. */
  readonly cookie: u64;
  setSockOpt<K extends keyof SetSockOpts>(name: K, value: SetSockOpts[K]): Errno;
  getSockOpt<K extends keyof GetSockOpts>(name: K): GetSockOpts[K] | undefined;
}
/** connect() to an IPv4 address. */
export interface Connect4Ctx extends ConnectCtx {
  /** The address that is connected to; assigning it sends the connection there. getpeername() shows the new one. */
  remoteIp4: be32;
  /** Binds the socket to an address of this host, and a port; the kernel picks one that is left out. Errno: -98 (EADDRINUSE), -99 (EADDRNOTAVAIL), … */
  bindSource(address: be32, port?: be16): Errno;
}
/** connect() to an IPv6 address. IPv4 addresses from an IPv6 socket come here too, as ::ffff:192.0.2.1. */
export interface Connect6Ctx extends ConnectCtx {
  /** The address that is connected to, as a copy; assigning a whole one sends the connection there. getpeername() shows the new one. */
  remoteIp6: Ip6;
  /** Binds the socket to an address of this host, and a port; the kernel picks one that is left out. Errno: -98 (EADDRINUSE), -99 (EADDRNOTAVAIL), … */
  bindSource(address: Ip6, port?: be16): Errno;
}

/** What is asked when a process of the cgroup calls connect(). Each handler that is there becomes a program of its own. */
export interface ConnectHooks {
  /** true: the kernel goes on with the address as it now stands; false: connect() fails with EPERM. */
  connect4?(this: void, ctx: Connect4Ctx): boolean;
  /** Likewise. */
  connect6?(this: void, ctx: Connect6Ctx): boolean;
}
/** Programs of a cgroup's connect hooks: NAME4 and NAME6, for those of the two that are there. */
export declare function connectHook(hooks: ConnectHooks): ConnectHookProgram;
/** What `connectHook` gives: export it, and it becomes one program for each handler. */
export interface ConnectHookProgram extends Program<"connectHook"> {}

export {};
