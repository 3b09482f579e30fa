"""Programs on a network namespace, with and without others on cgroups. Each function is one test."""

import contextlib
import errno
import os
import socket
import threading

from lab import *
from mptcp_lab import *
from others_tests import no_room
from tcp_tests import CC_OPTION, from_client, from_server, kinds

ECE_CWR = 0xC0
LINK_TYPE_NETNS = 5


def pair(lab, client, server, mptcp=False, ns="c", address=None):
    """A connection of sockets in the cgroups of two probes, and the listener."""
    listener = lab.listen(address, mptcp, probe=server)
    one = lab.connect(address, mptcp, ns=ns, probe=client)
    other = lab.keep(listener.accept()[0])
    other.settimeout(TIMEOUT)
    return one, other


@contextlib.contextmanager
def another_client(lab, ns="d"):
    """A third host, on a link of its own to the server."""
    sh(f"ip netns add {ns} && ip -n {ns} link set lo up")
    try:
        sh(f"ip link add {ns}3 netns {ns} type veth peer name s3 netns s")
        for name, host in ((ns, 1), ("s", 2)):
            sh(f"ip -n {name} addr add 10.0.3.{host}/24 dev {name}3 && ip -n {name} link set {name}3 up")
        sh(f"ip netns exec {ns} sysctl -qw net.mptcp.enabled=1; ip -n {ns} mptcp limits set subflows 8")
        yield "10.0.3.2"
    finally:
        with contextlib.suppress(Failure):
            sh(f"ip netns del {ns}")
        with contextlib.suppress(Failure):
            sh("ip -n s link del s3")


def test_options_without_a_cgroup(lab):
    client, server = lab.netns_probe("c", size=4, write=CC_OPTION, quiet=0), lab.netns_probe("s", size=4, write=CC_OPTION, quiet=0)
    client.flags(CONNECT)
    server.flags(LISTEN)
    capture = lab.capture("s1")
    one, other = pair(lab, client, server)
    talk(one, other)
    sent, answered = from_client(lab, capture), from_server(lab, capture)
    check(len(sent) >= 3 and all(kinds(s, 0x42) == [b"\0\3"] for s in sent), f"of the client: {[s.options for s in sent]}")
    check(len(answered) >= 2 and all(kinds(s, 0x42) == [b"\0\3"] for s in answered), f"of the server: {[s.options for s in answered]}")
    equal(server.events(WRITE)[0].is_fullsock, 0, "the SYN-ACK is written for a request")
    equal({e.args[:2] for e in server.events(PARSE)}, {(0x42, 4)}, "what the server's program was told")
    equal({(e.local, e.remote) for e in client.events(PARSE)}, {(lab.CLIENT, lab.SERVER)}, "addresses at the client")
    equal((lab.client.events(), lab.server.events()), ([], []), "events of programs on cgroups that the sockets are not in")
    client.detach()
    before = client.count(PARSE), client.count(WRITE)
    talk(one, other)
    equal((client.count(PARSE), client.count(WRITE)), before, "runs after the link was closed")
    equal(kinds(from_client(lab, capture)[-1], 0x42), [], "the option of a program that is gone")


def test_syn_cookies(lab):
    sh("ip netns exec s sysctl -qw net.ipv4.tcp_syncookies=2")
    try:
        client, server = lab.netns_probe("c"), lab.netns_probe("s", size=4, write=CC_OPTION, quiet=0)
        server.flags(LISTEN)
        capture = lab.capture("s1")
        one, other = pair(lab, client, server)
        talk(one, other)
        answered = from_server(lab, capture)
        check(answered[0].flags & SYN and all(kinds(s, 0x42) == [b"\0\3"] for s in answered), f"{[s.options for s in answered]}")
    finally:
        sh("ip netns exec s sysctl -qw net.ipv4.tcp_syncookies=1")


def test_other_namespaces_hear_nothing(lab):
    client = lab.netns_probe("c", size=4, write=CC_OPTION)
    client.flags(CONNECT)
    with another_client(lab) as address:
        capture = lab.keep(Capture("s", "s3", lab.port))
        one, other = pair(lab, client, client, ns="d", address=address)
        talk(one, other)
        equal(client.events(), [], "events")
        check(len(capture.read()) >= 4 and not any(kinds(s, 0x42) for s in capture.read()), "an option of a program on another namespace")


def test_the_cgroup_first_then_the_namespace_in_order(lab):
    with lab.nested() as (inner, outer):
        first, second = lab.netns_probe("c"), lab.netns_probe("c")
        probes = {0x42: inner, 0x43: outer, 0x44: first, 0x45: second}
        for kind, probe in probes.items():
            probe.config(port=lab.port, size=4, write=bytes([kind, 4, 0, 0]), quiet=0)
        inner.flags(ACTIVE)
        listener = lab.listen()
        capture = lab.capture("s1")
        # 28 bytes beside time stamps are enough for the four.
        client = lab.connect(probe=inner)
        server = lab.keep(listener.accept()[0])
        server.settimeout(TIMEOUT)
        talk(client, server)
        order = lambda: [kind for kind, _ in from_client(lab, capture)[-1].options if kind > 0x40]
        equal(order(), [0x42, 0x43, 0x44, 0x45], "own cgroup, the one above, the namespace's in the order in which they came")
        equal([probe.events(SIZE)[-1].args[1] for probe in probes.values()], [12, 16, 20, 24], "bytes so far")
        equal({e.args[0] for e in lab.server.events(PARSE)}, set(probes), "kinds delivered")
        first.detach()
        talk(client, server)
        equal(order(), [0x42, 0x43, 0x45], "without the third")
        first.attach()
        talk(client, server)
        equal(order(), [0x42, 0x43, 0x45, 0x44], "attached again, it is the last")
        before = no_room("c")
        inner.config(port=lab.port, size=16, write=bytes([0x42, 16]) + bytes(14))
        outer.config(port=lab.port, size=8, write=bytes([0x43, 8]) + bytes(6))
        talk(client, server)
        equal(order(), [0x42, 0x43, 0x45], "28 bytes have room for 16, 8 and 4, and for no more")
        check(no_room("c") > before, "a segment without room was not counted")


def test_the_last_reply_counts_where_programs_share_it(lab):
    """Of the ops of mainline: as behind the cgroup's programs. One that returns 0 makes it none."""
    listener = lab.listen()
    lab.client.detach()
    programs = []
    for of_cgroup, of_netns, wanted in (
        ("no_ecn", ["ecn"], True),
        ("ecn", ["no_ecn"], False),
        ("no_ecn", ["no_ecn", "ecn"], True),
        ("no_ecn", ["ecn", "no_ecn"], False),
        ("returns_zero", ["ecn"], False),
        ("ecn", ["ecn", "returns_zero"], False),
        ("ecn", [], True),
    ):
        for one in programs:
            one.close()
            lab.open.remove(one)
        programs = [lab.keep(Bystander(lab, of_cgroup, lab.client.cgroup))]
        programs += [lab.keep(NetnsLink(f"/sys/fs/bpf/others/{name}", "c")) for name in of_netns]
        capture = lab.keep(Capture("s", "s1", lab.port))
        client = lab.connect()
        server = lab.keep(listener.accept()[0])
        equal(from_client(lab, capture)[0].flags & ECE_CWR == ECE_CWR, wanted, f"ECN on the SYN, {of_cgroup} on the cgroup and {of_netns} on the namespace")
        client.close(), server.close()


def test_a_refusal_of_a_namespace_counts(lab):
    lab.client.on(FULLY, OPEN, arg1=1)
    lab.server.config(port=lab.port, refuse=0)
    refusing, other = lab.netns_probe("s", refuse=1), lab.netns_probe("s", refuse=0)
    client, server = pair(lab, lab.client, lab.server, mptcp=True)
    talk(client, server)
    equal(lab.client.wait(CLOSED)[0].args[3], ECONNREFUSED, "the end of the subflow")
    asked = [len(probe.events(ACCEPT)) for probe in (lab.server, refusing, other)]
    check(asked[0] > 0 and asked == asked[:1] * 3, f"how often each was asked: {asked}")


def test_a_path_manager_for_each_namespace(lab):
    """Multiple path managers, one per network namespace: of one cgroup, the root's."""
    server = lab.netns_probe("s")
    one = lab.netns_probe("c")
    one.on(FULLY, OPEN, arg1=1, saddr=sockaddr(lab.CLIENT2), daddr=sockaddr(lab.SERVER2, lab.port))
    with another_client(lab) as address:
        two = lab.netns_probe("d")
        two.on(FULLY, OPEN, arg1=1, count=3)
        listener = lab.listen("0.0.0.0", mptcp=True, probe=server)
        sessions = {}
        for probe, ns, there in ((one, "c", lab.SERVER), (two, "d", address)):
            client = lab.connect(there, mptcp=True, ns=ns, probe=probe)
            peer = lab.keep(listener.accept()[0])
            peer.settimeout(TIMEOUT)
            talk(client, peer)
            sessions[ns] = client, peer
        subflows(sessions["c"][0], 1)
        subflows(sessions["d"][0], 3)
        tokens = {ns: mptcp_info(client)["token"] for ns, (client, _) in sessions.items()}
        equal({e.loc_token for e in one.events(NEW, FULLY, ESTABLISHED)}, {tokens["c"]}, "sessions that the first one heard of")
        equal({e.loc_token for e in two.events(NEW, FULLY, ESTABLISHED)}, {tokens["d"]}, "sessions that the second one heard of")
        equal({(e.local, e.remote) for e in one.wait(ESTABLISHED, match=further)}, {(lab.CLIENT2, lab.SERVER2)}, "the first one's subflow")
        equal(len(server.wait(NEW, 2)), 2, "sessions at the server")
        for client, peer in sessions.values():
            client.close(), peer.close()
        for probe, count in ((one, 1), (two, 1), (server, 2)):
            equal(len(probe.wait(CLOSED_SESSION, count)), count, "ends of sessions")
            equal(probe.count(NEW), count, "beginnings of sessions")


def test_local_addresses_are_told_without_a_cgroup(lab):
    client, server = lab.netns_probe("c"), lab.netns_probe("s")
    one, other = pair(lab, client, server, mptcp=True)
    talk(one, other)
    client.wait(FULLY)
    sh("ip -n c addr add 10.0.1.77/24 dev c1")
    try:
        event = client.wait(ADD_LADDR, match=lambda e: address_of(e) == "10.0.1.77")[0]
        equal(event.loc_token, mptcp_info(one)["token"], "the session")
    finally:
        sh("ip -n c addr del 10.0.1.77/24 dev c1")
    client.wait(REM_LADDR, match=lambda e: address_of(e) == "10.0.1.77")


def test_an_update_under_traffic_leaves_no_gap(lab):
    a, b = (lab.netns_probe("c", size=4, write=bytes([kind, 4, 0, 0])) for kind in (0x42, 0x43))
    b.detach()
    server = lab.netns_probe("s")
    a.flags(CONNECT)
    capture = lab.capture("s1")
    client, peer = pair(lab, a, server)
    stop = threading.Event()

    def swap():
        while not stop.is_set():
            for probe in (b, a):
                a.link.update(probe.prog)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        for _ in range(300):
            talk(client, peer, 3000)
    finally:
        stop.set()
        thread.join()
    sent = [[kind for kind, _ in s.options if kind > 0x40] for s in from_client(lab, capture)]
    check(len(sent) > 300, f"only {len(sent)} segments")
    equal({tuple(kinds) for kinds in sent}, {(0x42,), (0x43,)}, "options of a segment: of one program or of the other")


def test_a_link_and_its_end(lab):
    probe, other = lab.netns_probe("c"), lab.netns_probe("c")
    other.detach()
    with namespace("c"):
        inode = os.stat("/proc/thread-self/ns/net").st_ino
    kind, program, found, attach_type = probe.link.info()
    equal((kind, found, attach_type), (LINK_TYPE_NETNS, inode, NetnsLink.NETNS_SOCK_OPS), "type, namespace and attach type")
    probe.link.update(other.prog)
    check(probe.link.info()[1] != program, "the program after an update")
    links = [lab.keep(NetnsLink(probe.prog, "c")) for _ in range(63)]
    # The programs of others are loaded by the first who needs one.
    Bystander(lab, "accepts", lab.client.cgroup).close()
    for what, code, attempt in (
        ("a 65th", errno.E2BIG, lambda: NetnsLink(probe.prog, "c")),
        ("flags", errno.EINVAL, lambda: NetnsLink(probe.prog, "s", flags=1)),
        ("the attach type of a cgroup", errno.EBADF, lambda: NetnsLink(probe.prog, "s", attach_type=3)),
        ("storage of a cgroup", errno.EINVAL, lambda: NetnsLink("/sys/fs/bpf/others/stored", "s")),
        ("an update to storage of a cgroup", errno.EINVAL, lambda: probe.link.update("/sys/fs/bpf/others/stored")),
    ):
        try:
            attempt()
        except OSError as error:
            equal(error.errno, code, what)
        else:
            raise Failure(f"{what} was taken")
    for link in links:
        link.close()
    probe.link.detach()
    equal(probe.link.info()[2], 0, "the namespace of a link that was detached")


def test_a_namespace_that_goes_under_load(lab):
    """Its sockets keep it, so programs hear of them to the end; then the link is without one."""
    server = lab.netns_probe("s")
    with another_client(lab) as address:
        probe = lab.netns_probe("d", size=4, write=CC_OPTION)
        probe.flags(CONNECT)
        listener = lab.listen("0.0.0.0", mptcp=True, probe=server)
        sessions = []
        for _ in range(8):
            client = lab.connect(address, mptcp=True, ns="d", probe=probe)
            peer = listener.accept()[0]
            peer.settimeout(TIMEOUT)
            sessions.append((client, peer))
        sh("ip netns del d")
        for client, peer in sessions:
            talk(client, peer, 20000)
        equal(probe.count(CLOSED_SESSION), 0, "ends before the sockets' end")
        check(probe.link.info()[2] != 0, "the namespace went before its sockets")
        for client, peer in sessions:
            client.close(), peer.close()
        equal(len(probe.wait(CLOSED_SESSION, 8)), 8, "ends of sessions")
        until(lambda: probe.link.info()[2] == 0, "the link keeps its namespace")
        try:
            probe.link.update(probe.prog)
        except OSError as error:
            equal(error.errno, errno.ENOLINK, "an update of a link without a namespace")
        else:
            raise Failure("a link without a namespace was updated")
        probe.link.detach()
        equal(probe.count(NEW), 8, "beginnings of sessions")


def test_namespaces_and_links_that_go_at_once(lab):
    """Ends of links, updates and ends of namespaces race; who comes last finds nothing to do."""
    probe = lab.netns_probe("c")
    for round in range(12):
        names = [f"gone{round}-{i}" for i in range(6)]
        sh("; ".join(f"ip netns add {name}; ip -n {name} link set lo up" for name in names))
        links = [lab.keep(NetnsLink(probe.prog, name)) for name in names for _ in range(4)]
        for name in names:
            # A socket whose end is told while the namespace goes
            with namespace(name):
                listener = socket.create_server(("127.0.0.1", 80))
                one = socket.create_connection(("127.0.0.1", 80))
            listener.close(), one.close()

        def end():
            for link in links[::2]:
                with contextlib.suppress(OSError):
                    link.update(probe.prog)
                link.close()
            for link in links[1::2]:
                with contextlib.suppress(OSError):
                    link.info()
                    link.detach()

        thread = threading.Thread(target=end)
        thread.start()
        sh("; ".join(f"ip netns del {name}" for name in names))
        thread.join()
        for link in links:
            link.close()
            lab.open.remove(link)


TESTS = [value for name, value in list(globals().items()) if name.startswith("test_")]
