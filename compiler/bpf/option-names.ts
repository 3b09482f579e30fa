/**
 * Levels and options of getsockopt and setsockopt by their names in the language: include/uapi/linux/in.h, include/uapi/asm-generic/socket.h
 * and include/uapi/linux/tcp.h. `kernel` is the name there; a test compares the numbers.
 */
interface Row {
  readonly number: number;
  readonly kernel: string;
}
const row = (number: number, kernel: string): Row => ({ number, kernel });

export const OPTION_ROWS = {
  Level: {
    Ip: row(0, "IPPROTO_IP"),
    Socket: row(1, "SOL_SOCKET"),
    Tcp: row(6, "IPPROTO_TCP"),
    Udp: row(17, "IPPROTO_UDP"),
    Ipv6: row(41, "IPPROTO_IPV6"),
    Mptcp: row(284, "SOL_MPTCP"),
  },
  SocketOption: {
    ReuseAddr: row(2, "SO_REUSEADDR"),
    Type: row(3, "SO_TYPE"),
    SendBuffer: row(7, "SO_SNDBUF"),
    ReceiveBuffer: row(8, "SO_RCVBUF"),
    KeepAlive: row(9, "SO_KEEPALIVE"),
    Priority: row(12, "SO_PRIORITY"),
    Linger: row(13, "SO_LINGER"),
    ReusePort: row(15, "SO_REUSEPORT"),
    ReceiveLowWater: row(18, "SO_RCVLOWAT"),
    BindToDevice: row(25, "SO_BINDTODEVICE"),
    Mark: row(36, "SO_MARK"),
    BusyPoll: row(46, "SO_BUSY_POLL"),
    MaxPacingRate: row(47, "SO_MAX_PACING_RATE"),
    IncomingCpu: row(49, "SO_INCOMING_CPU"),
    TxRehash: row(74, "SO_TXREHASH"),
  },
  TcpSocketOption: {
    NoDelay: row(1, "TCP_NODELAY"),
    MaxSegment: row(2, "TCP_MAXSEG"),
    Cork: row(3, "TCP_CORK"),
    KeepIdle: row(4, "TCP_KEEPIDLE"),
    KeepInterval: row(5, "TCP_KEEPINTVL"),
    KeepCount: row(6, "TCP_KEEPCNT"),
    SynCount: row(7, "TCP_SYNCNT"),
    Linger2: row(8, "TCP_LINGER2"),
    DeferAccept: row(9, "TCP_DEFER_ACCEPT"),
    WindowClamp: row(10, "TCP_WINDOW_CLAMP"),
    Info: row(11, "TCP_INFO"),
    QuickAck: row(12, "TCP_QUICKACK"),
    Congestion: row(13, "TCP_CONGESTION"),
    UserTimeout: row(18, "TCP_USER_TIMEOUT"),
    FastOpen: row(23, "TCP_FASTOPEN"),
    NotSentLowWater: row(25, "TCP_NOTSENT_LOWAT"),
    FastOpenConnect: row(30, "TCP_FASTOPEN_CONNECT"),
  },
} as const satisfies Record<string, Readonly<Record<string, Row>>>;

type Numbers = { readonly [G in keyof typeof OPTION_ROWS]: Readonly<Record<string, number>> };
/** The numbers alone. */
export const OPTION_NAMES = Object.fromEntries(
  Object.entries(OPTION_ROWS).map(([group, rows]) => [
    group,
    Object.fromEntries(Object.entries(rows).map(([name, { number }]) => [name, number])),
  ]),
) as Numbers;
