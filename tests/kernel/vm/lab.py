"""Two hosts in network namespaces, two cgroups with a probe program each, and
packet captures: what the tests of the patched kernel are made of. Runs as root
in the virtual machine, in one process, on Python's standard library alone."""

import collections
import contextlib
import ctypes
import os
import socket
import struct
import subprocess
import time

LIBC = ctypes.CDLL(None, use_errno=True)
SYS_BPF = 321
CLONE_NEWNET = 0x40000000
IPPROTO_MPTCP = 262
SOL_MPTCP, MPTCP_INFO = 284, 1
ANY = 0xFFFFFFFF
# The debug configuration, in an emulated machine, is several times slower.
SLOW = 6 if os.environ.get("TSBPF_KERNEL_DEBUG") == "1" else 1
TIMEOUT = 20 * SLOW

OPEN, CLOSE, PRIORITY, SET_INT, GET_INT, SET_STRING, SET_FLAGS, OPEN_EVENT, STORE_MAINLINE, RESERVE_MAINLINE, OPEN_LOCAL, CLOSE_LOCAL, ANNOUNCE, WITHDRAW = range(1, 15)
CONNECT, ACTIVE, PASSIVE, LISTEN, HDR_OPT_LEN, WRITE_HDR_OPT = 3, 4, 5, 11, 14, 15
SIZE, WRITE, PARSE, NEW, FULLY, CLOSED_SESSION, ADD_RADDR, REM_RADDR = range(64, 72)
ESTABLISHED, CLOSED, ADD_LADDR, REM_LADDR, ACCEPT, PRIO = range(72, 78)
OPTIONS_FLAG, MAINLINE_WRITE_FLAG = 0x80, 0x40


class Failure(AssertionError):
    pass


def check(condition, message):
    if not condition:
        raise Failure(message)


def equal(actual, expected, what):
    check(actual == expected, f"{what}: expected {expected!r}, got {actual!r}")


def until(condition, message, seconds=TIMEOUT):
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failure(message() if callable(message) else message)
        time.sleep(0.02)


def sh(command):
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    if done.returncode:
        raise Failure(f"{command}: {done.stdout}{done.stderr}")
    return done.stdout


def bpf(command, attr):
    """bpf(2); raises OSError."""
    buffer = ctypes.create_string_buffer(attr, 128)
    result = LIBC.syscall(SYS_BPF, command, buffer, 128)
    if result < 0:
        raise OSError(ctypes.get_errno(), f"bpf({command})")
    return result


def pinned(path):
    """A descriptor of what is pinned there."""
    buffer = ctypes.create_string_buffer(path.encode())
    return bpf(7, struct.pack("<QII", ctypes.addressof(buffer), 0, 0))


class Map:
    """A pinned map, through bpf(2)."""

    def __init__(self, path, value_size):
        self.value_size = value_size
        self.fd = pinned(path)

    def get(self, key):
        k, v = ctypes.create_string_buffer(struct.pack("<I", key), 4), ctypes.create_string_buffer(self.value_size)
        bpf(1, struct.pack("<IIQQQ", self.fd, 0, ctypes.addressof(k), ctypes.addressof(v), 0))
        return v.raw

    def set(self, key, value):
        k, v = ctypes.create_string_buffer(struct.pack("<I", key), 4), ctypes.create_string_buffer(value, self.value_size)
        bpf(2, struct.pack("<IIQQQ", self.fd, 0, ctypes.addressof(k), ctypes.addressof(v), 0))


Event = collections.namedtuple(
    "Event",
    "op args is_fullsock family local remote local_port remote_port flags loc_token rem_token loc_key rem_key netns addr6 opt local6 ret done skb_len time",
)
ENTRY = struct.Struct("<14I3Q12I8i2IQ")


def unpack(raw):
    v = ENTRY.unpack(raw)
    address = lambda n: socket.inet_ntoa(struct.pack("<I", n))
    words = lambda a, b: struct.pack("<4I", *v[a:b])
    return Event(
        v[0], v[1:5], v[5], v[6], address(v[7]), address(v[8]), v[9], v[10], v[11], v[12], v[13], v[14], v[15], v[16],
        words(17, 21), words(21, 25), words(25, 29), v[29:37], v[37], v[38], v[39],
    )


class Probe:
    """One instance of the probe program, attached to one cgroup."""

    def __init__(self, object_file, name, cgroup=None):
        self.cgroup = cgroup or f"/sys/fs/cgroup/tsbpf-{name}"
        self.prog = f"/sys/fs/bpf/{name}"
        os.makedirs(self.cgroup, exist_ok=True)
        sh(f"bpftool prog load {object_file} {self.prog} pinmaps /sys/fs/bpf/{name}-maps")
        self.attach()
        maps = f"/sys/fs/bpf/{name}-maps/"
        self.config_map, self.action_map = Map(maps + "config", 48), Map(maps + "actions", 136)
        self.event_map, self.count_map = Map(maps + "events", ENTRY.size), Map(maps + "counts", 8)
        self.reset()

    def attach(self):
        sh(f"bpftool cgroup attach {self.cgroup} sock_ops pinned {self.prog} multi")
        self.attached = True

    def detach(self):
        self.attached = False
        sh(f"bpftool cgroup detach {self.cgroup} sock_ops pinned {self.prog} multi")

    def restore(self):
        """Attached again, where a test that failed has left it detached, or has been stopped as it did one or the other."""
        if not self.attached:
            with contextlib.suppress(Failure):
                self.attach()
            self.attached = True

    def reset(self):
        self.config()
        for i in range(8):
            self.action_map.set(i, b"")
        for i in range(81):
            self.count_map.set(i, b"")
        self.actions = 0

    def config(self, port=0, quiet=1, size=0, write_fails=0, write=b"", refuse=0, data_only=0, slow_op=0, slow_ms=0):
        self.config_map.set(0, struct.pack("<IIiI16s4I", port, quiet, size, write_fails, write, refuse, data_only, slow_op, slow_ms))

    def on(self, op, what, arg1=ANY, arg3=ANY, count=1, saddr=b"", daddr=b"", level=0, name=0, value=0):
        text = saddr
        self.action_map.set(
            self.actions,
            struct.pack("<10I64s32s", op, arg1, arg3, what, count, len(text), len(daddr), level, name, value & ANY, text, daddr),
        )
        self.actions += 1
        return self.actions - 1

    def flags(self, op, flags=OPTIONS_FLAG):
        return self.on(op, SET_FLAGS, value=flags)

    def count(self, op):
        return struct.unpack("<Q", self.count_map.get(op))[0]

    def events(self, *ops, token=None):
        entries = [unpack(self.event_map.get(i)) for i in range(min(self.count(80), 2048))]
        return [e for e in entries if (not ops or e.op in ops) and (token is None or e.loc_token == token)]

    def wait(self, op, count=1, token=None, match=lambda event: True):
        """The events of an op that match, once there are as many."""
        return until(
            lambda: (lambda found: found if len(found) >= count else None)([e for e in self.events(op, token=token) if match(e)]),
            lambda: f"no {count} events {op}, only {[(e.op, e.args) for e in self.events() if e.op > 63]}",
        )


class NetnsLink:
    """A pinned program, attached to a network namespace."""

    NETNS_SOCK_OPS = 62

    def __init__(self, prog, ns, attach_type=NETNS_SOCK_OPS, flags=0):
        program, namespace = pinned(prog), os.open(f"/run/netns/{ns}", os.O_RDONLY)
        try:
            self.fd = bpf(28, struct.pack("<IIII", program, namespace, attach_type, flags))
        finally:
            os.close(program)
            os.close(namespace)

    def update(self, prog):
        program = pinned(prog)
        try:
            bpf(29, struct.pack("<IIII", self.fd, program, 0, 0))
        finally:
            os.close(program)

    def info(self):
        """The link's type, program, inode of the namespace (0: it is gone) and attach type."""
        info = ctypes.create_string_buffer(64)
        bpf(15, struct.pack("<IIQ", self.fd, 64, ctypes.addressof(info)))
        kind, _, program, _, inode, attach_type = struct.unpack_from("<6I", info.raw)
        return kind, program, inode, attach_type

    def detach(self):
        bpf(34, struct.pack("<I", self.fd))

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1


class NetnsProbe(Probe):
    """An instance of the probe program that is attached to a network namespace. Sockets of its tests are in the root
    cgroup, which has none."""

    def __init__(self, object_file, name, ns):
        self.ns = ns
        super().__init__(object_file, name, "/sys/fs/cgroup")

    def attach(self):
        self.link = NetnsLink(self.prog, self.ns)
        self.attached = True

    def detach(self):
        self.attached = False
        self.link.close()

    def close(self):
        if self.attached:
            self.detach()


Segment = collections.namedtuple("Segment", "src dst sport dport flags seq ack payload options raw length time")
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


def parse(frame, when):
    kind = struct.unpack_from("!H", frame, 12)[0]
    if kind == 0x0800 and frame[23] == 6:
        start, size = 14 + (frame[14] & 15) * 4, struct.unpack_from("!H", frame, 16)[0]
        src, dst = socket.inet_ntoa(frame[26:30]), socket.inet_ntoa(frame[30:34])
        end = 14 + size
    elif kind == 0x86DD and frame[20] == 6:
        start, end = 54, 54 + struct.unpack_from("!H", frame, 18)[0]
        src, dst = (socket.inet_ntop(socket.AF_INET6, frame[a : a + 16]) for a in (22, 38))
    else:
        return None
    sport, dport, seq, ack, offset, flags = struct.unpack_from("!HHIIBB", frame, start)
    header = (offset >> 4) * 4
    raw = frame[start + 20 : start + header]
    options, i = [], 0
    while i < len(raw) and raw[i] != 0:
        if raw[i] == 1:
            i += 1
            continue
        length = raw[i + 1] if i + 1 < len(raw) else 0
        if length < 2 or i + length > len(raw):
            options.append((raw[i], b"broken"))
            break
        options.append((raw[i], raw[i + 2 : i + length]))
        i += length
    return Segment(src, dst, sport, dport, flags, seq, ack, end - start - header, options, raw, len(frame), when)


class Bystander:
    """A program of others.bpf.c, attached to a cgroup: it knows nothing of the events that are tested."""

    def __init__(self, lab, name, cgroup):
        self.cgroup = cgroup
        others = os.path.join(os.path.dirname(lab.object_file), "others.o")
        if not os.path.exists("/sys/fs/bpf/others"):
            sh(f"bpftool prog loadall {others} /sys/fs/bpf/others")
        self.prog = f"/sys/fs/bpf/others/{name}"
        sh(f"bpftool cgroup attach {cgroup} sock_ops pinned {self.prog} multi")

    def close(self):
        sh(f"bpftool cgroup detach {self.cgroup} sock_ops pinned {self.prog} multi")


class Capture:
    """All TCP segments of one port that an interface sent or received."""

    def __init__(self, ns, interface, port):
        with namespace(ns):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.setsockopt(socket.SOL_SOCKET, 33, 1 << 26)  # SO_RCVBUFFORCE
        self.socket.setsockopt(socket.SOL_SOCKET, 29, 1)  # SO_TIMESTAMP, set by the kernel on arrival
        self.socket.bind((interface, 0))
        self.socket.setblocking(False)
        self.port, self.segments = port, []

    def read(self):
        while True:
            try:
                frame, ancillary, _, address = self.socket.recvmsg(70000, 64)
            except BlockingIOError:
                return self.segments
            when = 0
            for level, kind, data in ancillary:
                if level == socket.SOL_SOCKET and kind == 29:
                    seconds, micros = struct.unpack("<qq", data[:16])
                    when = seconds + micros / 1e6
            if address[2] == 0 or address[2] == 4:  # for this host, or from it
                segment = parse(frame, when)
                if segment and self.port in (segment.sport, segment.dport):
                    self.segments.append(segment)

    def close(self):
        self.socket.close()


@contextlib.contextmanager
def namespace(name):
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{name}", os.O_RDONLY)
    try:
        if LIBC.setns(there, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
        yield
    finally:
        LIBC.setns(here, CLONE_NEWNET)
        os.close(here)
        os.close(there)


@contextlib.contextmanager
def member_of(cgroup):
    with open(f"{cgroup}/cgroup.procs", "w") as file:
        file.write(str(os.getpid()))
    try:
        yield
    finally:
        with open("/sys/fs/cgroup/cgroup.procs", "w") as file:
            file.write(str(os.getpid()))


@contextlib.contextmanager
def stripped(lab, ns, interface):
    """What arrives at an interface has lost MPTCP's options, if it carries data."""
    tc = f"tc -n {ns}"
    program = os.path.join(os.path.dirname(lab.object_file), "strip.o")
    sh(f"{tc} qdisc add dev {interface} clsact && {tc} filter add dev {interface} ingress bpf da obj {program} sec tc")
    try:
        yield
    finally:
        sh(f"{tc} qdisc del dev {interface} clsact")


def sockaddr(address, port=0):
    if ":" in address:
        return struct.pack("<HHI16sI", 10, socket.htons(port), 0, socket.inet_pton(socket.AF_INET6, address), 0)
    return struct.pack("<HH4sQ", 2, socket.htons(port), socket.inet_aton(address), 0)


def address_of(event):
    return socket.inet_ntop(socket.AF_INET6, event.addr6) if event.args[3] == 10 else socket.inet_ntoa(struct.pack("<I", event.args[0]))


class Lab:
    CLIENT, SERVER, CLIENT2, SERVER2 = "10.0.1.1", "10.0.1.2", "10.0.2.1", "10.0.2.2"

    def __init__(self, object_file):
        for ns in "cs":
            sh(f"ip netns add {ns} && ip -n {ns} link set lo up")
        for i in (1, 2):
            sh(f"ip link add c{i} netns c type veth peer name s{i} netns s")
            for ns, host in (("c", 1), ("s", 2)):
                sh(f"ip -n {ns} addr add 10.0.{i}.{host}/24 dev {ns}{i}")
                sh(f"ip -n {ns} addr add fd00:{i}::{host}/64 dev {ns}{i} nodad")
                sh(f"ip -n {ns} link set {ns}{i} up")
        for ns in "cs":
            sh(f"ip netns exec {ns} sysctl -qw net.mptcp.enabled=1 net.ipv4.tcp_congestion_control=cubic")
            sh(f"ip -n {ns} mptcp limits set subflows 8 add_addr_accepted 0")
        self.client, self.server = Probe(object_file, "client"), Probe(object_file, "server")
        self.object_file = object_file
        self.port, self.probes = 5000, 0
        self.open = []

    @contextlib.contextmanager
    def nested(self):
        """A cgroup in another, and a probe in each."""
        outer = f"/sys/fs/cgroup/tsbpf-outer{self.port}"
        inner = f"{outer}/inner"
        os.makedirs(inner)
        probes = [Probe(self.object_file, f"{name}{self.port}", cgroup) for name, cgroup in (("inner", inner), ("outer", outer))]
        try:
            yield probes
        finally:
            for probe in probes:
                probe.detach()

    def begin(self):
        """A clean slate for the next test: its port."""
        for thing in self.open:
            thing.close()
        self.open = []
        for probe in (self.client, self.server):
            probe.restore()
            probe.reset()
        for ns in "cs":
            sh(f"ip -n {ns} mptcp endpoint flush; ip -n {ns} mptcp limits set subflows 8 add_addr_accepted 0")
        self.port += 1
        for probe in (self.client, self.server):
            probe.config(port=self.port)
        return self.port

    def netns_probe(self, ns, **config):
        """A probe on a namespace, until the end of the test."""
        self.probes += 1
        probe = self.keep(NetnsProbe(self.object_file, f"{ns}-{self.probes}", ns))
        probe.config(port=self.port, **config)
        return probe

    def keep(self, thing):
        self.open.append(thing)
        return thing

    def capture(self, interface):
        return self.keep(Capture(interface[0], interface, self.port))

    def listen(self, address=None, mptcp=False, ns="s", probe=None, port=None):
        address = address or self.SERVER
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with member_of((probe or self.server).cgroup), namespace(ns):
            s = self.keep(socket.socket(family, socket.SOCK_STREAM, IPPROTO_MPTCP if mptcp else 0))
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.settimeout(TIMEOUT)
        s.bind((address, port or self.port))
        s.listen(64)
        return s

    def connect(self, address=None, mptcp=False, ns="c", probe=None, prepare=None, port=None):
        address = address or self.SERVER
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with member_of((probe or self.client).cgroup), namespace(ns):
            s = self.keep(socket.socket(family, socket.SOCK_STREAM, IPPROTO_MPTCP if mptcp else 0))
        s.settimeout(TIMEOUT)
        if prepare:
            prepare(s)
        s.connect((address, port or self.port))
        return s

    def pair(self, address=None, mptcp=False, listener=None, prepare=None):
        """A connection: the client's socket and the server's."""
        listener = listener or self.listen(address, mptcp)
        client = self.connect(address, mptcp, prepare=prepare)
        server = self.keep(listener.accept()[0])
        server.settimeout(TIMEOUT)
        return client, server

    def session(self, address=None):
        """An MPTCP session, fully established on both sides."""
        client, server = self.pair(address, mptcp=True)
        talk(client, server)
        return client, server


def talk(client, server, size=1):
    """Some bytes in both directions."""
    client.sendall(b"x" * size)
    receive(server, size)
    server.sendall(b"y" * size)
    receive(client, size)


def receive(s, size):
    data = b""
    while len(data) < size:
        more = s.recv(min(65536, size - len(data)))
        check(more, "the connection ended early")
        data += more
    return data


def mptcp_info(s):
    raw = s.getsockopt(SOL_MPTCP, MPTCP_INFO, 96)
    return {"subflows": raw[0], "fallback": struct.unpack_from("<I", raw, 8)[0] & 1, "token": struct.unpack_from("<I", raw, 12)[0]}


def snd_cwnd(s):
    return struct.unpack_from("<I", s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104), 80)[0]
