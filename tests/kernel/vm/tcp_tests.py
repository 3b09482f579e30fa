"""TCP options and delayed ACKs. Each function is one test; its name is the title."""

import hashlib
import socket
import struct
import threading
import time

from lab import *

IPPROTO_TCP = socket.IPPROTO_TCP
CC_OPTION = bytes([0x42, 4, 0, 3])
USER_TIMEOUT, DELACK_MAX_US, DELACK_MIN_US, DELACK_SEGS = 18, 46, 64, 66


def kinds(segment, kind):
    return [value for k, value in segment.options if k == kind]


def from_client(lab, capture):
    return [s for s in capture.read() if s.dport == lab.port]


def from_server(lab, capture):
    return [s for s in capture.read() if s.sport == lab.port]


def test_option_from_third_ack_on(lab):
    lab.client.config(port=lab.port, size=4, write=CC_OPTION)
    lab.client.flags(ACTIVE)
    lab.server.flags(PASSIVE)
    capture = lab.capture("s1")
    client, server = lab.pair()
    talk(client, server)
    time.sleep(0.2)
    sent = from_client(lab, capture)
    check(not kinds(sent[0], 0x42), "the SYN carries the option, but the flag was set later")
    check(len(sent) >= 3, f"only {len(sent)} segments")
    for segment in sent[1:]:
        equal(segment.raw[-4:], CC_OPTION, "the last bytes of the header")
    check(not any(kinds(s, 0x42) for s in from_server(lab, capture)), "the server wrote an option it has not been asked for")
    parsed = lab.server.events(PARSE)
    equal(len(parsed), len(sent) - 1, "options delivered: one for each segment, the third ACK included")
    for event in parsed:
        equal(event.args[:3], (0x42, 4, struct.unpack("<I", CC_OPTION)[0]), "kind, length and first bytes")
        equal(event.opt, CC_OPTION.ljust(16, b"\0"), "opt_data")
        equal(event.is_fullsock, 1, "is_fullsock")
    order = [e.op for e in lab.server.events(PASSIVE, PARSE)]
    equal(order[:2], [PASSIVE, PARSE], "order of established and the third ACK's option")


def test_option_on_syn_and_syn_ack(lab):
    for probe in (lab.client, lab.server):
        probe.config(port=lab.port, size=4, write=CC_OPTION, quiet=0)
    lab.client.flags(CONNECT)
    lab.server.flags(LISTEN)
    capture = lab.capture("s1")
    client, server = lab.pair()
    talk(client, server)
    sent, answered = from_client(lab, capture), from_server(lab, capture)
    equal(sent[0].flags & (SYN | ACK), SYN, "flags of the first segment")
    equal(kinds(sent[0], 0x42), [b"\0\3"], "option of the SYN")
    equal(answered[0].flags & (SYN | ACK), SYN | ACK, "flags of the answer")
    equal(kinds(answered[0], 0x42), [b"\0\3"], "option of the SYN-ACK")
    equal(len(lab.client.events(PARSE)), len(answered), "options delivered to the client, the SYN-ACK's included, each once")
    equal(len(lab.server.events(PARSE)), len(sent) - 1, "options delivered to the server: all but the SYN's")
    request = [e for e in lab.server.events(SIZE) if not e.is_fullsock]
    equal(request[0].args[1], 20, "bytes of options before ours on a SYN-ACK")
    equal((request[0].local, request[0].remote), (lab.SERVER, lab.CLIENT), "addresses of the request")


def test_option_on_a_fast_open_syn(lab):
    for ns in "cs":
        sh(f"ip netns exec {ns} sysctl -qw net.ipv4.tcp_fastopen=0x207")
    try:
        lab.client.config(port=lab.port, size=4, write=CC_OPTION)
        lab.client.flags(CONNECT)
        capture = lab.capture("s1")
        listener = lab.listen()
        listener.setsockopt(IPPROTO_TCP, 23, 16)  # TCP_FASTOPEN
        with member_of(lab.client.cgroup), namespace("c"):
            client = lab.keep(socket.socket())
        client.settimeout(TIMEOUT)
        client.sendto(b"early", 0x20000000, (lab.SERVER, lab.port))  # MSG_FASTOPEN
        server = lab.keep(listener.accept()[0])
        server.settimeout(TIMEOUT)
        equal(server.recv(10), b"early", "data of the SYN")
        talk(client, server)
        time.sleep(0.2)
        sent = from_client(lab, capture)
        equal((sent[0].flags & SYN, sent[0].payload), (SYN, 5), "flags and data of the first segment")
        check(all(kinds(s, 0x42) for s in sent), "a segment without the option")
        equal(len(lab.server.events(PARSE)), len(sent) - 1, "options delivered to the server: all but the SYN's")
    finally:
        for ns in "cs":
            sh(f"ip netns exec {ns} sysctl -qw net.ipv4.tcp_fastopen=1")


def test_option_ipv6(lab):
    lab.client.config(port=lab.port, size=4, write=CC_OPTION)
    lab.client.flags(ACTIVE)
    lab.server.flags(PASSIVE)
    capture = lab.capture("s1")
    client, server = lab.pair("fd00:1::2")
    talk(client, server)
    check(all(kinds(s, 0x42) for s in from_client(lab, capture)[1:]), "a segment without the option")
    check(lab.server.events(PARSE), "no option was delivered")


def test_long_option_and_padding(lab):
    long = bytes([0xFD, 16]) + bytes(range(14))
    lab.client.config(port=lab.port, size=16, write=long)
    lab.client.flags(ACTIVE)
    lab.server.flags(PASSIVE)
    capture = lab.capture("s1")
    client, server = lab.pair()
    talk(client, server)
    equal(from_client(lab, capture)[-1].raw[-16:], long, "16 bytes by replylong")
    equal(lab.server.events(PARSE)[-1].opt, long, "16 bytes delivered")
    short = bytes([0xFD, 6, 1, 2, 3, 4])
    lab.client.config(port=lab.port, size=6, write=short)
    talk(client, server)
    # Replies lie where args do; the rest of the reply must not leak.
    equal(from_client(lab, capture)[-1].raw[-8:], short + b"\1\1", "6 bytes, padded")
    equal(lab.server.events(PARSE)[-1].args[:2], (0xFD, 6), "kind and length")


def test_sizes_out_of_range(lab):
    lab.server.flags(PASSIVE)
    lab.client.flags(CONNECT)
    capture = lab.capture("s1")
    for size in (-1, 0, 17, 41, -(2**31), 2**31 - 1):
        lab.client.config(port=lab.port, size=size, write=CC_OPTION * 4)
        client, server = lab.pair(listener=lab.open[1] if size != -1 else None)
        talk(client, server)
        check(not any(kinds(s, 0x42) for s in from_client(lab, capture)), f"a size of {size} added an option")
    equal(lab.client.count(WRITE), 0, "requests to write")
    check(lab.client.count(SIZE) > 0, "the size was never asked for")


def test_option_that_does_not_fit(lab):
    # Time stamps and a data signal leave 8 bytes or fewer on an MPTCP subflow.
    lab.client.config(port=lab.port, size=16, write=bytes([0xFD, 16]) + bytes(14))
    lab.client.flags(ACTIVE)
    capture = lab.capture("s1")
    client, server = lab.session()
    talk(client, server, 1000)
    data = [s for s in from_client(lab, capture) if s.payload]
    check(data, "no data seen")
    for segment in data:
        check(len(segment.raw) <= 40, "more than 40 bytes of options")
        if len(segment.raw) > 24:
            check(not kinds(segment, 0xFD), "an option although there was no room")
        check(kinds(segment, 30), "an MPTCP data segment without its signal")
    equal(mptcp_info(client)["fallback"], 0, "fallback")


def test_malformed_reply_becomes_nops(lab):
    lab.client.flags(ACTIVE)
    capture = lab.capture("s1")
    client = server = None
    for bytes_, wire in (
        (bytes([0x42, 40, 0, 0]), b"\1\1\1\1"),
        (bytes([0x42, 0, 0, 0]), b"\1\1\1\1"),
        (bytes([0x42, 1, 0, 0]), b"\1\1\1\1"),
        (bytes([0, 0, 0, 0]), b"\1\1\1\1"),
        (bytes([0x42, 3, 7, 0]), bytes([0x42, 3, 7, 1])),
        (bytes([1, 1, 1, 0x42]), bytes([1, 1, 1, 1])),
        (bytes([0x43, 2, 0x44, 2]), bytes([0x43, 2, 0x44, 2])),
    ):
        lab.client.config(port=lab.port, size=4, write=bytes_)
        if client is None:
            client, server = lab.pair()
        talk(client, server)
        equal(from_client(lab, capture)[-1].raw[-4:], wire, f"what {bytes_.hex()} became")
    lab.client.config(port=lab.port, size=4, write=CC_OPTION, write_fails=1)
    talk(client, server)
    equal(from_client(lab, capture)[-1].raw[-4:], b"\1\1\1\1", "the option of a program that returns 0")


def test_nothing_without_the_flag(lab):
    for probe in (lab.client, lab.server):
        probe.config(port=lab.port, size=4, write=CC_OPTION)
    client, server = lab.pair()
    talk(client, server)
    for probe in (lab.client, lab.server):
        equal([probe.count(op) for op in (SIZE, WRITE, PARSE)], [0, 0, 0], "size, write and parse events")


def test_parse_needs_no_flag(lab):
    lab.client.config(port=lab.port, size=4, write=CC_OPTION)
    lab.client.flags(ACTIVE)
    capture = lab.capture("s1")
    client, server = lab.pair()
    talk(client, server)
    time.sleep(0.2)
    sent = from_client(lab, capture)
    equal(lab.server.count(PARSE), len(sent) - 1, "options delivered: one for each segment, the third ACK included")
    equal([lab.server.count(op) for op in (SIZE, WRITE)], [0, 0], "size and write events")


def bulk(client, server, size):
    """Sends size bytes and returns whether they arrived unharmed."""
    data = hashlib.sha256(str(size).encode()).digest() * (size // 32)
    sender = threading.Thread(target=client.sendall, args=(data,))
    sender.start()
    received = receive(server, len(data))
    sender.join()
    return received == data


def offload(lab, on):
    for ns, dev in (("c", "c1"), ("s", "s1")):
        sh(f"ip netns exec {ns} ethtool -K {dev} tso {on} gso {on} gro {on} tx {on}")


def retransmitted(s):
    return struct.unpack_from("<I", s.getsockopt(IPPROTO_TCP, socket.TCP_INFO, 104), 100)[0]


def test_bulk_with_segmentation_offload(lab):
    lab.client.config(port=lab.port, size=16, write=bytes([0xFD, 16]) + bytes(14))
    lab.client.flags(ACTIVE)
    lab.server.flags(PASSIVE)
    client, server = lab.pair()
    check(bulk(client, server, 4 << 20), "data differs")
    check(lab.server.count(PARSE) > 20, "few options came")


def test_bulk_never_exceeds_the_mtu(lab):
    # The option starts in the middle of the transfer, when segments have been cut without it.
    offload(lab, "off")
    try:
        lab.client.config(port=lab.port, size=16, write=bytes([0xFD, 16]) + bytes(14), data_only=100)
        lab.client.flags(ACTIVE)
        capture = lab.capture("s1")
        client, server = lab.pair()
        for _ in range(8):
            check(bulk(client, server, 1 << 17), "data differs")
            capture.read()
        sent = from_client(lab, capture)
        check(max(s.length for s in sent) <= 1514, f"a frame of {max(s.length for s in sent)} bytes")
        with_option = [s for s in sent if kinds(s, 0xFD)]
        check(len(with_option) > len(sent) // 4, f"only {len(with_option)} of {len(sent)} segments have the option")
        check(max(s.length for s in with_option) == 1514, "segments with the option are not full")
        equal(retransmitted(client), 0, "retransmissions")
    finally:
        offload(lab, "on")


def test_beside_mainline_header_options(lab):
    mainline = bytes([0xFE, 4, 0xEB, 0x9F])
    for probe in (lab.client, lab.server):
        probe.config(port=lab.port, size=4, write=CC_OPTION)
    lab.client.flags(CONNECT, OPTIONS_FLAG | MAINLINE_WRITE_FLAG)
    lab.client.on(HDR_OPT_LEN, RESERVE_MAINLINE)
    lab.client.on(WRITE_HDR_OPT, STORE_MAINLINE, saddr=mainline)
    lab.server.flags(PASSIVE)
    capture = lab.capture("s1")
    client, server = lab.pair()
    talk(client, server)
    for segment in from_client(lab, capture):
        equal(segment.raw[-8:], CC_OPTION + mainline, "our option, then mainline's")
    equal({e.args[0] for e in lab.server.events(PARSE)}, {0x42, 0xFE}, "kinds delivered")


def test_with_md5_and_sack(lab):
    def key(address):
        def prepare(s):
            family = struct.pack("<HH4s120x", 2, 0, socket.inet_aton(address))
            s.setsockopt(IPPROTO_TCP, 14, family + struct.pack("<BBHI80s", 0, 0, 6, 0, b"secret"))
        return prepare

    lab.client.config(port=lab.port, size=4, write=CC_OPTION)
    lab.client.flags(ACTIVE)
    lab.server.flags(PASSIVE)
    capture = lab.capture("s1")
    listener = lab.listen()
    key(lab.CLIENT)(listener)
    client, server = lab.pair(listener=listener, prepare=key(lab.SERVER))
    talk(client, server, 5000)
    data = [s for s in from_client(lab, capture) if s.payload]
    check(data and all(kinds(s, 19) and kinds(s, 0x42) for s in data), "MD5 or the option is missing")


def test_initial_window_from_third_ack(lab):
    lab.client.config(port=lab.port, size=4, write=bytes([0x42, 4, 0, 40]))
    lab.client.flags(ACTIVE)
    lab.server.flags(PASSIVE)
    got = lab.server.on(PARSE, SET_INT, level=6, name=1001, value=40)  # TCP_BPF_IW
    client, server = lab.pair()
    equal(snd_cwnd(server), 40, "snd_cwnd right after accept")
    equal(lab.server.events(PARSE)[0].ret[got], 0, "bpf_setsockopt(TCP_BPF_IW)")
    talk(client, server)


def test_congestion_control_from_option(lab):
    lab.client.config(port=lab.port, size=4, write=CC_OPTION)
    lab.client.flags(ACTIVE)
    lab.server.flags(PASSIVE)
    lab.server.on(PARSE, SET_STRING, level=6, name=13, saddr=b"vegas")
    client, server = lab.pair()
    talk(client, server)
    equal(server.getsockopt(IPPROTO_TCP, 13, 16).rstrip(b"\0"), b"vegas", "TCP_CONGESTION")


def test_user_timeout_set_and_get(lab):
    lab.client.config(port=lab.port, size=4, write=bytes([0x1C, 4, 0, 1]))
    lab.client.flags(ACTIVE)
    lab.server.flags(PASSIVE)
    lab.server.on(PARSE, SET_INT, level=6, name=USER_TIMEOUT, value=1000)
    read = lab.server.on(PARSE, GET_INT, level=6, name=USER_TIMEOUT)
    client, server = lab.pair()
    talk(client, server)
    equal(server.getsockopt(IPPROTO_TCP, USER_TIMEOUT), 1000, "TCP_USER_TIMEOUT")
    equal(lab.server.events(PARSE)[0].ret[read], 1000, "bpf_getsockopt(TCP_USER_TIMEOUT)")


def test_no_recursion_by_nodelay(lab):
    lab.client.config(port=lab.port, size=4, write=CC_OPTION, quiet=0)
    lab.client.flags(ACTIVE)
    tried = lab.client.on(SIZE, SET_INT, level=6, name=1, value=1)
    wrote = lab.client.on(WRITE, SET_INT, level=6, name=1, value=1)
    client, server = lab.pair()
    talk(client, server, 20000)
    equal({e.ret[tried] for e in lab.client.events(SIZE)}, {-95}, "TCP_NODELAY while sizing")
    equal({e.ret[wrote] for e in lab.client.events(WRITE)}, {-95}, "TCP_NODELAY while writing")


def test_parsing_goes_on_when_the_flag_is_cleared(lab):
    lab.client.config(port=lab.port, size=8, write=bytes([0x42, 4, 0, 1, 0x43, 4, 0, 2]))
    lab.client.flags(ACTIVE)
    lab.server.flags(PASSIVE)
    lab.server.flags(PARSE, 0)
    client, server = lab.pair()
    talk(client, server)
    parsed = [e.args[0] for e in lab.server.events(PARSE)]
    check(len(parsed) > 2, f"only {len(parsed)} options delivered")
    equal(parsed, [0x42, 0x43] * (len(parsed) // 2), "options delivered before and after the flag was cleared")


def test_detach_in_the_middle(lab):
    lab.client.config(port=lab.port, size=16, write=bytes([0xFD, 16]) + bytes(14))
    lab.client.flags(ACTIVE)
    lab.server.flags(PASSIVE)
    capture = lab.capture("s1")
    client, server = lab.pair()
    talk(client, server)
    stop = threading.Event()

    def traffic():
        while not stop.is_set():
            talk(client, server, 3000)

    thread = threading.Thread(target=traffic)
    thread.start()
    try:
        for _ in range(3):
            lab.client.detach()
            time.sleep(0.1)
            lab.client.attach()
            lab.server.detach()
            time.sleep(0.1)
            lab.server.attach()
    finally:
        stop.set()
        thread.join()
    lab.client.detach()
    try:
        before = len(from_client(lab, capture))
        talk(client, server, 3000)
        late = from_client(lab, capture)[before:]
        check(late and not any(kinds(s, 0xFD) for s in late), "an option after the program was detached")
    finally:
        lab.client.attach()


def test_two_programs_in_two_cgroups(lab):
    other = Probe(lab.object_file, "other")
    try:
        lab.client.config(port=lab.port, size=4, write=bytes([0x42, 4, 0, 1]))
        other.config(port=lab.port, size=4, write=bytes([0x42, 4, 0, 2]))
        lab.client.flags(ACTIVE)
        other.flags(ACTIVE)
        capture = lab.capture("s1")
        listener = lab.listen()
        first = lab.connect()
        second = lab.connect(probe=other)
        servers = {s.getpeername()[1]: s for s in (lab.keep(listener.accept()[0]) for _ in range(2))}
        for s in (first, second):
            talk(s, servers[s.getsockname()[1]])
        for s, value in ((first, b"\0\1"), (second, b"\0\2")):
            mine = [x for x in from_client(lab, capture) if x.sport == s.getsockname()[1] and not x.flags & SYN]
            check(mine and all(kinds(x, 0x42) == [value] for x in mine), "a program wrote into the other cgroup's connection")
        ports = {e.local_port for e in other.events()}
        equal(ports, {second.getsockname()[1]}, "local ports the second program saw")
    finally:
        other.detach()


def test_delack_options(lab):
    listener = lab.listen()
    for name, good, bad in ((DELACK_MIN_US, 30000, 200001), (DELACK_MAX_US, 50000, 200001), (DELACK_SEGS, 10, 256)):
        listener.setsockopt(IPPROTO_TCP, name, good)
        equal(listener.getsockopt(IPPROTO_TCP, name), good, f"option {name}")
        for value in (bad, -1):
            try:
                listener.setsockopt(IPPROTO_TCP, name, value)
            except OSError as error:
                equal(error.errno, 22, f"errno of option {name} = {value}")
            else:
                raise Failure(f"option {name} took {value}")
        equal(listener.getsockopt(IPPROTO_TCP, name), good, f"option {name} after bad values")
    gets = [lab.server.on(PASSIVE, GET_INT, level=6, name=name) for name in (DELACK_MIN_US, DELACK_MAX_US, DELACK_SEGS)]
    sets = [lab.server.on(PASSIVE, SET_INT, level=6, name=DELACK_SEGS, value=value) for value in (256, 20)]
    client, server = lab.pair(listener=listener)
    event = lab.server.events(PASSIVE)[0]
    equal([event.ret[i] for i in gets], [30000, 50000, 10], "what the program reads of an inherited setting")
    equal([event.ret[i] for i in sets], [-22, 0], "what bpf_setsockopt returns")
    equal(server.getsockopt(IPPROTO_TCP, DELACK_SEGS), 20, "what the program has set")
    # As in Linux 6.15: less than two ticks are refused.
    for value in (0, 1000):
        try:
            server.setsockopt(IPPROTO_TCP, DELACK_MAX_US, value)
        except OSError as error:
            equal(error.errno, 22, f"errno of TCP_DELACK_MAX_US = {value}")
        else:
            raise Failure(f"TCP_DELACK_MAX_US took {value}")
    server.setsockopt(IPPROTO_TCP, DELACK_MIN_US, 200000)
    equal(server.getsockopt(IPPROTO_TCP, DELACK_MIN_US), 50000, "the shortest delay in force, below the longest")
    server.setsockopt(IPPROTO_TCP, DELACK_MAX_US, 200000)
    equal(server.getsockopt(IPPROTO_TCP, DELACK_MAX_US), 199000, "the longest delay in force, below the retransmission timer")


def acks_for(lab, segs):
    """ACKs the server sent for 20 full segments, with this setting."""
    client, server = lab.pair(listener=lab.open[0])
    server.setsockopt(IPPROTO_TCP, DELACK_SEGS, segs)
    server.setsockopt(IPPROTO_TCP, socket.TCP_QUICKACK, 0)
    capture = Capture("s", "s1", lab.port)
    mine = lambda: [s for s in capture.read() if client.getsockname()[1] in (s.sport, s.dport)]
    # Nobody reads: a reader that holds the socket makes the kernel merge segments. What is sent must fit the first window.
    client.sendall(bytes(20 * 1448))
    # Slow ACKs make the sender probe: count a segment that came twice once.
    sent = lambda: sum({s.seq: s.payload for s in mine()}.values()) == 20 * 1448
    last = lambda: max(s.seq + s.payload for s in mine() if s.dport == lab.port) == max([s.ack for s in mine() if s.sport == lab.port] or [0])
    until(lambda: sent() and last(), lambda: f"{[(s.sport == lab.port, s.seq, s.payload, s.ack) for s in mine()]}")
    acks = [s for s in mine() if s.sport == lab.port]
    data = {s.seq for s in mine() if s.payload}
    capture.close()
    equal(len(data), 20, "data segments")
    return len(acks)


def test_delack_segments(lab):
    offload(lab, "off")
    try:
        # With room to spare: an ACK that does not open the window is left to the reader.
        lab.listen().setsockopt(socket.SOL_SOCKET, 33, 1 << 22)  # SO_RCVBUFFORCE
        one, default, ten = (acks_for(lab, segs) for segs in (1, 0, 10))
        check(17 <= one <= 22, f"{one} ACKs for 20 segments with 1 segment")
        check(8 <= default <= 14, f"{default} ACKs for 20 segments by default")
        check(2 <= ten <= 7, f"{ten} ACKs for 20 segments with 10 segments")
    finally:
        offload(lab, "on")


def delay(lab, minimum, maximum):
    """Seconds from a small segment to its ACK, when nothing else forces one."""
    client, server = lab.pair(listener=lab.open[0])
    talk(client, server)
    server.setsockopt(IPPROTO_TCP, DELACK_MIN_US, minimum)
    server.setsockopt(IPPROTO_TCP, DELACK_MAX_US, maximum)
    server.setsockopt(IPPROTO_TCP, socket.TCP_QUICKACK, 0)
    capture = Capture("s", "s1", lab.port)
    client.sendall(b"z")
    ack = until(lambda: [s for s in capture.read() if s.sport == lab.port and s.dport == client.getsockname()[1]], "no ACK came")[0]
    data = [s for s in capture.read() if s.payload][0]
    capture.close()
    return ack.time - data.time


def test_delack_delays(lab):
    lab.listen()
    long, short = delay(lab, 150000, 200000), delay(lab, 0, 10000)
    check(long >= 0.145, f"an ACK came after {long:.3f} s, the shortest delay is 0.150 s")
    check(short < 0.1, f"an ACK came after {short:.3f} s, the longest delay is 0.010 s")
    both = delay(lab, 150000, 10000)
    check(both < 0.1, f"with a shortest delay above the longest, an ACK came after {both:.3f} s")


TESTS = [value for name, value in list(globals().items()) if name.startswith("test_")]
