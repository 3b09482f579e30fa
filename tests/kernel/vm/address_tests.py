"""Addresses of MPTCP sessions: those of this host as they come and go, and requests that cannot be made. Each function is one test."""

import collections
import contextlib
import socket
import subprocess
import threading
import time

from lab import *
from mptcp_lab import *


def test_addresses_of_others(lab):
    for i in range(8):
        lab.client.on(FULLY, OPEN, arg1=1, saddr=sockaddr(f"10.0.77.{i + 1}"))
    client, server = lab.session()
    equal(lab.client.wait(FULLY)[0].ret, (0,) * 8, "bpf_mptcp_open_subflow")
    failed = lab.client.wait(CLOSED, count=8)
    equal([(e.local, e.remote, e.remote_port, e.args[3]) for e in failed], [(f"10.0.77.{i + 1}", lab.SERVER, lab.port, EADDRNOTAVAIL) for i in range(8)], "SUBFLOW_CLOSED")
    equal(sh("ip -n c mptcp endpoint show"), "", "endpoints of the namespace")
    equal(mptcp_info(client)["subflows"], 0, "subflows")


def test_requests_that_cannot_be_made_are_told(lab):
    # No request is lost without a word: no route, no such address, a family that the socket does not take, an interface that is not there.
    lab.client.on(FULLY, OPEN, arg1=1, daddr=sockaddr("10.99.0.1"))
    lab.client.on(FULLY, OPEN, arg1=1, saddr=sockaddr(lab.CLIENT2), daddr=sockaddr("10.99.0.2"))
    lab.client.on(FULLY, OPEN, arg1=1, saddr=sockaddr(lab.CLIENT, 1), daddr=sockaddr("10.99.0.3", 7))
    lab.client.on(FULLY, OPEN, arg1=1, saddr=sockaddr("fd00:9::1"), daddr=sockaddr("fd00:2::2"))
    lab.client.on(FULLY, OPEN, arg1=1, daddr=sockaddr("fd00:9::9"))
    client, server = lab.session("fd00:1::2")
    ip6 = lambda words: socket.inet_ntop(socket.AF_INET6, words)
    failed = [e for e in lab.client.wait(CLOSED, count=5)]
    told = sorted((ip6(e.local6) if e.family == 10 else e.local, e.local_port, "" if e.family == 10 else e.remote, e.remote_port, e.args[3]) for e in failed)
    equal(
        told,
        sorted(
            [
                ("0.0.0.0", 0, "10.99.0.1", lab.port, ENETUNREACH),
                (lab.CLIENT2, 0, "10.99.0.2", lab.port, ENETUNREACH),
                (lab.CLIENT, 1, "10.99.0.3", 7, ENETUNREACH),
                ("fd00:9::1", 0, "", lab.port, EADDRNOTAVAIL),
                ("::", 0, "", lab.port, ENETUNREACH),
            ]
        ),
        "addresses, ports and error of SUBFLOW_CLOSED",
    )
    equal({(e.is_fullsock, e.netns != 0) for e in failed}, {(0, True)}, "is_fullsock, and a namespace")
    equal(mptcp_info(client)["subflows"], 0, "subflows")


def test_the_65th_subflow(lab):
    sh("ip -n s mptcp limits set subflows 8")
    for i in range(2):
        lab.client.on(FULLY, OPEN, arg1=1, count=64)
    client, server = lab.session()
    event = lab.client.wait(FULLY)[0]
    queued = sum(r >> 16 for r in event.ret[:2])
    # Each one is told of: established, or closed with an error.
    until(
        lambda: len([e for e in lab.client.events(CLOSED) if e.args[3]]) + len([e for e in lab.client.events(ESTABLISHED) if further(e)]) >= queued,
        lambda: f"{queued} queued, {[(e.op, e.args) for e in lab.client.events(ESTABLISHED, CLOSED)]}",
    )
    talk(client, server, 10000)


def test_address_that_goes_is_withdrawn_with_its_subflow(lab):
    """A FIN from an address that is gone gets nowhere: the peer hears of it by REMOVE_ADDR."""
    address = "10.0.1.101"
    lab.client.on(FULLY, OPEN, arg1=1, saddr=sockaddr(address))
    lab.client.on(FULLY, OPEN, arg1=1)
    lab.client.on(REM_LADDR, CLOSE_LOCAL)
    sh(f"ip -n c addr add {address}/32 dev c2")
    try:
        client, server = lab.session()
        subflows(server, 2)
        number = lab.client.wait(ESTABLISHED, match=lambda e: e.local == address)[0].args[0]
        sh(f"ip -n c addr del {address}/32 dev c2")
        lab.client.wait(CLOSED, match=lambda e: e.local == address)
        equal(lab.server.wait(REM_RADDR)[0].args[1], number, "id of the address withdrawn")
        equal(lab.server.wait(CLOSED)[0].remote, address, "the subflow that the peer closes")
        subflows(server, 1)
        # One whose address stays says so itself.
        lab.client.on(ADD_RADDR, CLOSE)
        sh("ip -n s mptcp endpoint add 10.0.9.9 signal")
        lab.client.wait(CLOSED, count=2)
        lab.server.wait(CLOSED, count=2)
        time.sleep(0.2)
        equal(len(lab.server.events(REM_RADDR)), 1, "addresses withdrawn")
    finally:
        sh(f"ip -n c addr del {address}/32 dev c2 2>/dev/null || true")


def test_first_address_that_goes_is_withdrawn(lab):
    lab.listen(lab.SERVER2, mptcp=True)
    lab.client.on(FULLY, OPEN, arg1=1, saddr=sockaddr(lab.CLIENT2), daddr=sockaddr(lab.SERVER2))
    lab.client.on(REM_LADDR, CLOSE_LOCAL, arg3=2)
    client, server = lab.session()
    subflows(server, 1)
    try:
        sh("ip -n c link set c1 down")
        equal(lab.server.wait(REM_RADDR)[0].args[1], 0, "id of the address withdrawn")
        equal(lab.server.wait(CLOSED)[0].remote, lab.CLIENT, "the subflow that the peer closes")
        talk(client, server, 10000)
    finally:
        sh("ip -n c link set c1 up; ip -n c addr add fd00:1::1/64 dev c1 nodad")


def test_the_peer_takes_no_more_at_its_own_address(lab):
    sh("ip netns exec s sysctl -qw net.mptcp.allow_join_initial_addr_port=0")
    try:
        lab.listen(lab.SERVER2, mptcp=True)
        lab.client.on(FULLY, OPEN, arg1=1)
        lab.client.on(FULLY, OPEN, arg1=1, daddr=sockaddr(lab.SERVER, 9))
        lab.client.on(FULLY, OPEN, arg1=1, saddr=sockaddr(lab.CLIENT2), daddr=sockaddr(lab.SERVER2))
        client, server = lab.session()
        equal(lab.client.wait(FULLY)[0].flags, 2 | 8, "mptcp_flags: the C flag")
        failed = {(e.remote, e.remote_port): e.args[3] for e in lab.client.wait(CLOSED, count=2)}
        equal(failed, {(lab.SERVER, lab.port): EPERM, (lab.SERVER, 9): ECONNREFUSED}, "its address and port, and its address on another")
        lab.client.wait(ESTABLISHED, match=lambda e: e.remote == lab.SERVER2)
    finally:
        sh("ip netns exec s sysctl -qw net.mptcp.allow_join_initial_addr_port=1")


def test_local_address_is_told_once_to_each_session(lab):
    """Sessions come and go while every one is told of an address."""
    listener = lab.listen(mptcp=True)
    sessions = []
    for _ in range(60):
        client = lab.connect(mptcp=True)
        client.sendall(b"x")
        server = lab.keep(listener.accept()[0])
        receive(server, 1)
        server.sendall(b"y")
        receive(client, 1)
        sessions.append((client, server))
    stay = {mptcp_info(client)["token"] for client, _ in sessions[::2]}
    lab.client.reset()
    stop = threading.Event()

    def churn():
        for client, server in sessions[1::2]:
            client.close()
            server.close()
        while not stop.is_set():
            client = lab.connect(mptcp=True)
            listener.accept()[0].close()
            client.close()

    thread = threading.Thread(target=churn)
    try:
        thread.start()
        sh("ip -n c addr add 10.0.3.1/24 dev c2")
        lab.client.wait(ADD_LADDR, count=len(stay), match=lambda e: e.loc_token in stay)
        time.sleep(0.3)
        told = collections.Counter(e.loc_token for e in lab.client.events(ADD_LADDR))
        equal({token: told[token] for token in stay}, dict.fromkeys(stay, 1), "how often each session was told")
    finally:
        stop.set()
        thread.join()
        sh("ip -n c addr del 10.0.3.1/24 dev c2 || true")


def test_local_address_events_of_one_namespace_do_not_wait_for_another(lab):
    lab.server.config(slow_op=ADD_LADDR, slow_ms=60000)
    client, server = lab.session()
    token = mptcp_info(client)["token"]
    try:
        # "ip -n" unmounts something, and waits for all programs that run.
        for ns, address in (("s", "10.0.6.1/24 dev s2"), ("c", "10.0.3.1/24 dev c2")):
            with namespace(ns):
                sh(f"ip addr add {address}")
        told = lambda: lab.client.events(ADD_LADDR, token=token)
        until(told, "the event of the one namespace waits for a slow program in the other", 15)
        equal(lab.server.events(ADD_LADDR), [], "programs of the other namespace that are done")
    finally:
        lab.server.config()
        sh("ip -n s addr del 10.0.6.1/24 dev s2; ip -n c addr del 10.0.3.1/24 dev c2")
    lab.server.wait(ADD_LADDR)


def test_local_address_events_do_not_wait_for_a_task_that_holds_a_session(lab):
    """connect() holds the session for as long as a program takes over it."""
    listener = lab.listen(mptcp=True)
    sessions = [lab.pair(mptcp=True, listener=listener) for _ in range(6)]
    for client, server in sessions:
        talk(client, server)
    tokens = {mptcp_info(client)["token"] for client, _ in sessions}
    lab.client.config(port=lab.port, slow_op=CONNECT, slow_ms=60000)
    thread = threading.Thread(target=lambda: lab.connect(mptcp=True))
    before = lab.client.count(CONNECT)
    thread.start()
    try:
        time.sleep(0.5)
        for verb, op in (("add", ADD_LADDR), ("del", REM_LADDR)):
            with namespace("c"):  # as above
                sh(f"ip addr {verb} 10.0.3.1/24 dev c2")
            told = lambda: {e.loc_token for e in lab.client.events(op)} & tokens
            until(lambda: told() == tokens, lambda: f"{len(told())} of {len(tokens)} sessions heard of {op}", 15)
        equal(lab.client.count(CONNECT), before, "connections made in the meantime")
    finally:
        lab.client.config(port=lab.port)
        thread.join()
        sh("ip -n c addr del 10.0.3.1/24 dev c2 2>/dev/null || true")


def test_local_addresses(lab):
    client, server = lab.session()
    token = mptcp_info(client)["token"]
    lab.client.config()
    lab.server.config()
    try:
        sh("ip -n c addr add 10.0.3.1/24 dev c2")
        event = lab.client.wait(ADD_LADDR, token=token)[0]
        equal((address_of(event), event.args[1:]), ("10.0.3.1", (0, 0, 2)), "address and args of ADD_LADDR")
        sh("ip -n c addr del 10.0.3.1/24 dev c2")
        event = lab.client.wait(REM_LADDR, token=token)[0]
        equal(address_of(event), "10.0.3.1", "address of REM_LADDR")
        sh("ip -n c addr add fd00:3::1/64 dev c2")
        event = lab.client.wait(ADD_LADDR, count=2, token=token)[1]
        equal((address_of(event), event.args), ("fd00:3::1", (0, 0, 0, 10)), "address and args of ADD_LADDR, IPv6")
        check("tentative" not in sh("ip -n c addr show dev c2 to fd00:3::1"), "told of an address that is still tentative")
    finally:
        sh("ip -n c addr del fd00:3::1/64 dev c2 || true; ip -n c addr del 10.0.3.1/24 dev c2 2>/dev/null || true")
    equal(lab.server.events(ADD_LADDR, REM_LADDR), [], "local addresses told to the session of the other namespace")


def local_events(lab, token, added, removed):
    """Waits for exactly these addresses, and forgets them."""
    names = lambda op: sorted(address_of(e) for e in lab.client.events(op, token=token))
    until(
        lambda: (names(ADD_LADDR), names(REM_LADDR)) == (sorted(added), sorted(removed)),
        lambda: f"added {names(ADD_LADDR)} instead of {added}, removed {names(REM_LADDR)} instead of {removed}",
    )
    time.sleep(0.3)
    equal((names(ADD_LADDR), names(REM_LADDR)), (sorted(added), sorted(removed)), "addresses added and removed, a little later")
    lab.client.reset()


@contextlib.contextmanager
def spare(lab):
    """A session, and two more links of the client's host that are up."""
    client, server = lab.session()
    sh("for i in 1 2; do ip link add t$i netns c type veth peer name u$i netns s; ip -n c link set t$i up; ip -n s link set u$i up; done; sleep 0.5")
    lab.client.reset()
    try:
        yield mptcp_info(client)["token"]
    finally:
        sh("ip -n c link del t1; ip -n c link del t2; sleep 0.2")


def test_one_address_on_two_devices(lab):
    with spare(lab) as token:
        sh("ip -n c addr add 10.0.3.1/32 dev t1")
        local_events(lab, token, ["10.0.3.1"], [])
        sh("ip -n c addr add 10.0.3.1/32 dev t2; sleep 0.3; ip -n c addr del 10.0.3.1/32 dev t1")
        local_events(lab, token, [], [])
        sh("ip -n c addr del 10.0.3.1/32 dev t2")
        local_events(lab, token, [], ["10.0.3.1"])


def test_secondary_address_that_is_promoted(lab):
    with spare(lab) as token:
        sh("ip netns exec c sysctl -qw net.ipv4.conf.t1.promote_secondaries=1")
        sh("ip -n c addr add 10.0.3.1/24 dev t1; ip -n c addr add 10.0.3.2/24 dev t1")
        local_events(lab, token, ["10.0.3.1", "10.0.3.2"], [])
        sh("ip -n c addr del 10.0.3.1/24 dev t1")
        local_events(lab, token, [], ["10.0.3.1"])
        sh("ip netns exec c sysctl -qw net.ipv4.conf.t1.promote_secondaries=0")
        sh("ip -n c addr add 10.0.3.3/24 dev t1")
        local_events(lab, token, ["10.0.3.3"], [])
        sh("ip -n c addr del 10.0.3.2/24 dev t1")  # the secondary goes with it
        local_events(lab, token, [], ["10.0.3.2", "10.0.3.3"])


def test_link_that_goes_down(lab):
    with spare(lab) as token:
        sh("ip -n c addr add 10.0.3.1/24 dev t1; ip -n c addr add fd00:3::1/64 dev t1 nodad")
        local_events(lab, token, ["10.0.3.1", "fd00:3::1"], [])
        sh("ip -n c link set t1 down")
        local_events(lab, token, [], ["10.0.3.1", "fd00:3::1"])
        sh("ip -n c link set t1 up")
        local_events(lab, token, ["10.0.3.1"], [])  # an IPv6 address goes with the link
        sh("ip netns exec c sysctl -qw net.ipv6.conf.t1.keep_addr_on_down=1; ip -n c addr add fd00:3::1/64 dev t1 nodad")
        local_events(lab, token, ["fd00:3::1"], [])
        sh("ip -n c link set t1 down")
        local_events(lab, token, [], ["10.0.3.1", "fd00:3::1"])
        sh("ip -n c link set t1 up")
        local_events(lab, token, ["10.0.3.1", "fd00:3::1"], [])
        sh("ip -n s link set u1 down")
        local_events(lab, token, [], ["10.0.3.1", "fd00:3::1"])
        sh("ip -n s link set u1 up")
        local_events(lab, token, ["10.0.3.1", "fd00:3::1"], [])
        sh("ip -n c link set t1 netns s; ip -n s link set t1 netns c; ip -n c link set t1 up")
        local_events(lab, token, [], ["10.0.3.1", "fd00:3::1"])


def test_tentative_address_that_goes(lab):
    """Neither its coming nor its going is told, whenever the worker looks."""
    with spare(lab) as token:
        # A slow machine must not come to the end of the probe before the address goes.
        sh("ip netns exec c sysctl -qw net.ipv6.conf.t1.dad_transmits=100")
        for pause in (0, 0.05, 0.12, 0.3):
            sh(f"ip -n c addr add fd00:3::1/64 dev t1; sleep {pause}; ip -n c addr del fd00:3::1/64 dev t1")
        time.sleep(1)
        names = lambda op: [address_of(e) for e in lab.client.events(op, token=token)]
        equal((names(ADD_LADDR), names(REM_LADDR)), ([], []), "addresses told")


def test_ipv6_address_beside_many_others(lab):
    # Each wakes the worker; that must not shorten what an address in its probe is granted.
    client, server = lab.session()
    token = mptcp_info(client)["token"]

    def others(verb):
        lines = "".join(f"addr {verb} 10.0.3.{i}/32 dev c2\n" for i in range(1, 81))
        subprocess.run(["ip", "-n", "c", "-batch", "-"], input=lines, text=True, check=True)

    try:
        sh("ip -n c addr add fd00:3::1/64 dev c2")
        others("add")
        lab.client.wait(ADD_LADDR, count=81, token=token)
        equal(sorted(e.args[3] for e in lab.client.events(ADD_LADDR, token=token)), [2] * 80 + [10], "families")
    finally:
        others("del")
        sh("ip -n c addr del fd00:3::1/64 dev c2 || true")


def test_ipv6_address_without_a_carrier(lab):
    client, server = lab.session()
    token = mptcp_info(client)["token"]
    sh("ip link add t1 netns c type veth peer name t2 netns s; ip -n c link set t1 up; ip -n c addr add fd00:4::1/64 dev t1")
    try:
        sh("ip -n c addr add fd00:5::1/64 dev t1; sleep 0.3; ip -n c addr del fd00:5::1/64 dev t1")
        time.sleep(6)
        equal(lab.client.events(ADD_LADDR, REM_LADDR), [], "told of an address that cannot be used")
        sh("ip -n s link set t2 up")
        event = lab.client.wait(ADD_LADDR, token=token)[0]
        equal(address_of(event), "fd00:4::1", "address of ADD_LADDR")
    finally:
        sh("ip -n c link del t1")
    equal([address_of(e) for e in lab.client.wait(REM_LADDR, token=token)], ["fd00:4::1"], "addresses of REM_LADDR")


def test_namespace_goes_while_its_address_waits(lab):
    sh("ip netns add w; ip link add w1 netns w type veth peer name w2")
    sh("ip -n w link set w1 up; ip -n w addr add fd00:6::1/64 dev w1; sleep 0.5; ip netns del w")
    until(lambda: "w2" not in sh("ip -br link"), "the namespace is still there")


def test_local_address_reaches_every_cgroup(lab):
    other = Probe(lab.object_file, "other-mptcp")
    try:
        listener = lab.listen(mptcp=True)
        tokens = {}
        for probe in (lab.client, other):
            client = lab.connect(mptcp=True, probe=probe)
            server = lab.keep(listener.accept()[0])
            server.settimeout(TIMEOUT)
            talk(client, server)
            tokens[probe] = mptcp_info(client)["token"]
        other.on(ADD_LADDR, OPEN, saddr=sockaddr(lab.CLIENT))
        sh("ip -n c addr add 10.0.3.1/24 dev c2")
        for probe, token in tokens.items():
            equal([e.loc_token for e in probe.wait(ADD_LADDR, token=token)], [token], "sessions told")
        equal({e.loc_token for e in other.events(ADD_LADDR)}, {tokens[other]}, "sessions the second cgroup's program was told of")
        other.wait(ESTABLISHED, match=further)
        equal([e for e in lab.client.events(ESTABLISHED) if further(e)], [], "subflows of the other cgroup's session")
    finally:
        sh("ip -n c addr del 10.0.3.1/24 dev c2 || true")
        other.detach()


def test_helpers_in_an_event_without_a_subflow(lab):
    # The first subflow lends its addresses to such an event, but is not what it is about.
    open_, close, priority = (lab.client.on(ADD_LADDR, what, value=1) for what in (OPEN, CLOSE, PRIORITY))
    client, server = lab.session()
    token = mptcp_info(client)["token"]
    try:
        sh("ip -n c addr add 10.0.3.1/24 dev c2")
        event = lab.client.wait(ADD_LADDR, token=token)[0]
    finally:
        sh("ip -n c addr del 10.0.3.1/24 dev c2")
    equal([event.ret[i] for i in (open_, close, priority)], [0, EINVAL, EINVAL], "open, close and set_priority")
    subflows(client, 1)
    talk(client, server, 10000)
    equal(lab.client.events(CLOSED, token=token), [], "subflows closed")


TESTS = [value for name, value in list(globals().items()) if name.startswith("test_")]
