"""MPTCP sessions, path management by BPF. Each function is one test."""

import os
import socket
import struct
import time

from lab import *
from mptcp_lab import *


def test_session_events(lab):
    client, server = lab.session()
    c, s = mptcp_info(client)["token"], mptcp_info(server)["token"]
    cf, sf = lab.client.wait(FULLY, token=c)[0], lab.server.wait(FULLY, token=s)[0]
    for probe, token, first in ((lab.client, c, cf), (lab.server, s, sf)):
        new = probe.events(NEW, token=token)
        equal([e.args[0] for e in new], [token], "args of NEW_SESSION")
        equal(first.args[:2], (token, 1), "args of FULLY_ESTABLISHED")
        check(first.is_fullsock, "FULLY_ESTABLISHED came without its subflow")
    equal((cf.loc_key, cf.rem_key, cf.loc_token, cf.rem_token), (sf.rem_key, sf.loc_key, sf.rem_token, sf.loc_token), "keys and tokens")
    check(cf.loc_key and cf.rem_key and cf.rem_token, "a key or token is 0")
    equal((cf.flags, sf.flags), (2, 3), "mptcp_flags of client and server")
    equal((cf.local, cf.remote, cf.remote_port), (lab.CLIENT, lab.SERVER, lab.port), "addresses")
    check(not lab.client.events(CLOSED_SESSION), "closed too early")
    client.close()
    closed = lab.client.wait(CLOSED_SESSION, token=c)
    check(receive_end(server), "the server did not see the end")
    server.close()
    closed += lab.server.wait(CLOSED_SESSION, token=s)
    equal([e.args[0] for e in closed], [c, s], "tokens of CLOSE_SESSION")
    equal([e.is_fullsock for e in closed], [0, 0], "is_fullsock of CLOSE_SESSION")
    time.sleep(0.3)
    equal(len(lab.client.events(CLOSED_SESSION, token=c)) + len(lab.server.events(CLOSED_SESSION, token=s)), 2, "CLOSE_SESSION events")


def test_no_session_with_a_plain_tcp_peer(lab):
    listener = lab.listen()
    client = lab.connect(mptcp=True)
    server = lab.keep(listener.accept()[0])
    server.settimeout(TIMEOUT)
    talk(client, server)
    client.close()
    time.sleep(0.2)
    equal(lab.client.events(NEW, FULLY, CLOSED_SESSION), [], "session events of a connection that is plain TCP")


def test_ndiffports(lab):
    asked = [lab.client.on(FULLY, OPEN, arg1=1) for _ in range(2)]
    client, server = lab.session()
    subflows(client, 2)
    subflows(server, 2)
    event = lab.client.events(FULLY)[0]
    equal([event.ret[i] for i in asked], [0, 0], "what bpf_mptcp_open_subflow returned")
    found = established("c", lab.port)
    equal(len(found), 3, "subflows that ss sees")
    equal({(a, c, d) for a, _, c, d in found}, {(lab.CLIENT, lab.SERVER, str(lab.port))}, "addresses and remote port of all subflows")
    equal(len({b for _, b, _, _ in found}), 3, "different local ports")
    talk(client, server, 100000)


def test_open_between_given_addresses(lab):
    lab.listen(lab.SERVER2, mptcp=True)
    lab.client.on(FULLY, OPEN, arg1=1, saddr=sockaddr(lab.CLIENT2, 40001), daddr=sockaddr(lab.SERVER2))
    client, server = lab.session()
    subflows(client, 1)
    check((lab.CLIENT2, "40001", lab.SERVER2, str(lab.port)) in established("c", lab.port), f"{established('c', lab.port)}")
    first = lab.client.wait(ESTABLISHED)[0]
    equal((first.local, first.remote, first.args), (lab.CLIENT, lab.SERVER, (0, 0, 0, 1)), "SUBFLOW_ESTABLISHED of the first subflow")
    joined = lab.client.wait(ESTABLISHED, match=further)[0]
    equal((joined.local, joined.remote, joined.local_port), (lab.CLIENT2, lab.SERVER2, 40001), "the subflow of SUBFLOW_ESTABLISHED")
    check(joined.args[0] > 0, "the second local address has id 0")
    equal(lab.client.events(FULLY)[1].args[1], 0, "args[1] of FULLY_ESTABLISHED for a further subflow")


def test_open_ipv6(lab):
    lab.listen("fd00:2::2", mptcp=True)
    lab.client.on(FULLY, OPEN, arg1=1)
    lab.client.on(FULLY, OPEN, arg1=1, saddr=sockaddr("fd00:2::1"), daddr=sockaddr("fd00:2::2"))
    client, server = lab.session("fd00:1::2")
    subflows(client, 2)
    equal(sorted(a for a, _, _, _ in established("c", lab.port)), ["fd00:1::1", "fd00:1::1", "fd00:2::1"], "local addresses")
    talk(client, server, 100000)


def test_address_announced_and_withdrawn(lab):
    lab.client.on(ADD_RADDR, OPEN_EVENT)
    lab.listen(lab.SERVER2, mptcp=True)
    client, server = lab.session()
    time.sleep(0.2)
    equal(lab.client.events(ADD_RADDR), [], "addresses announced before there was one")
    sh(f"ip -n s mptcp limits set add_addr_accepted 8; ip -n s mptcp endpoint add {lab.SERVER2} id 7 signal")
    event = lab.client.wait(ADD_RADDR)[0]
    equal((address_of(event), event.args[1:]), (lab.SERVER2, (0, 7, 2)), "address, port, id, family")
    equal(event.ret[0], 0, "bpf_mptcp_open_subflow")
    subflows(client, 1)
    check(lab.SERVER2 in [c for _, _, c, _ in established("c", lab.port)], "no subflow to the address announced")
    sh("ip -n s mptcp endpoint delete id 7")
    equal(lab.client.wait(REM_RADDR)[0].args[1], 7, "id of the address withdrawn")
    subflows(client, 0)


def test_ipv6_address_announced(lab):
    client, server = lab.session("fd00:1::2")
    sh("ip -n s mptcp endpoint add fd00:2::2 id 9 signal")
    event = lab.client.wait(ADD_RADDR)[0]
    equal((address_of(event), event.args), ("fd00:2::2", (0, 0, 9, 10)), "address and args")


def test_helpers_outside_mptcp(lab):
    opened = lab.client.on(ACTIVE, OPEN)
    closed = lab.client.on(ACTIVE, CLOSE)
    priority = lab.client.on(ACTIVE, PRIORITY, value=1)
    client, server = lab.pair()
    talk(client, server)
    event = lab.client.events(ACTIVE)[0]
    equal([event.ret[i] for i in (opened, closed, priority)], [EOPNOTSUPP] * 3, "what the helpers return on plain TCP")


def test_helpers_too_early_and_too_late(lab):
    indices = [lab.client.on(op, what) for op in (NEW, CLOSED_SESSION) for what in (OPEN, CLOSE, PRIORITY)]
    client, server = lab.session()
    token = mptcp_info(client)["token"]
    client.close()
    new, closed = lab.client.events(NEW, token=token)[0], lab.client.wait(CLOSED_SESSION, token=token)[0]
    equal([new.ret[i] for i in indices[:3]], [ENOTCONN] * 3, "before the session is fully established")
    equal([closed.ret[i] for i in indices[3:]], [ENOTCONN] * 3, "when the session is closed")


def test_bad_addresses(lab):
    v4, v6 = sockaddr(lab.CLIENT), sockaddr("fd00:1::1")
    cases = [
        (v4[:3], b""),
        (b"", v4[:15]),
        (v6[:27], b""),
        (v4, v6),
        (b"", v6),
        (b"\xff\xff" + v4[2:], b""),
    ]
    for saddr, daddr in cases:
        lab.client.on(FULLY, OPEN, arg1=1, saddr=saddr, daddr=daddr)
    odd = lab.client.on(FULLY, PRIORITY, arg1=1, saddr=v4 + v4[:8], value=1)
    value = lab.client.on(FULLY, PRIORITY, arg1=1, saddr=v4 + v4, value=2)
    client, server = lab.session()
    event = lab.client.wait(FULLY)[0]
    equal(list(event.ret), [EINVAL] * 8, "what the helpers return for lengths and families that are wrong")
    equal((odd, value), (6, 7), "indices")
    equal(mptcp_info(client)["subflows"], 0, "subflows")


def test_ten_thousand_requests(lab):
    lab.client.on(FULLY, OPEN, arg1=1, count=10000)
    client, server = lab.session()
    result = lab.client.wait(FULLY)[0].ret[0]
    queued, refused = result >> 16, result & 0xFFFF
    check(1 <= queued <= 64, f"{queued} requests were queued")
    equal(queued + refused, 10000, "requests queued or refused with ENOSPC")
    subflows(server, 8)  # its limit; the others are reset
    until(lambda: mptcp_info(client)["subflows"] == 8, lambda: f"{mptcp_info(client)}")
    talk(client, server, 100000)


def test_requests_count_as_option_memory(lab):
    was = sh("ip netns exec c sysctl -n net.core.optmem_max").strip()
    result = lab.client.on(FULLY, OPEN, arg1=1)
    sh("ip netns exec c sysctl -qw net.core.optmem_max=16")
    try:
        client, server = lab.session()
        equal(lab.client.wait(FULLY)[0].ret[result], ENOMEM, "bpf_mptcp_open_subflow without option memory")
    finally:
        sh(f"ip netns exec c sysctl -qw net.core.optmem_max={was}")
    lab.client.on(ADD_RADDR, OPEN)
    sh("ip -n s mptcp endpoint add 10.0.9.9 signal")
    subflows(client, 1)


def test_close_while_requests_are_queued(lab):
    lab.client.on(FULLY, OPEN, arg1=1, count=64)
    lab.server.on(FULLY, OPEN, arg1=1, count=8)
    listener = lab.listen(mptcp=True)
    for i in range(12):
        client = lab.connect(mptcp=True)
        client.sendall(b"x")
        server = listener.accept()[0]
        server.settimeout(TIMEOUT)
        receive(server, 1)
        server.sendall(b"y")
        if i % 3 == 0:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if i % 2:
            receive(client, 1)
            time.sleep(0.005 * i)
        client.close()
        server.close()
    until(lambda: lab.client.count(CLOSED_SESSION) >= 12, lambda: f"{lab.client.count(CLOSED_SESSION)} sessions closed")


def test_requests_before_accept(lab):
    lab.server.on(FULLY, OPEN, arg1=1, daddr=sockaddr(lab.CLIENT))
    listener = lab.listen(mptcp=True)
    client = lab.connect(mptcp=True)
    # The server cannot connect to the client's ephemeral port, but tries, once accepted.
    client.sendall(b"x")
    lab.server.wait(FULLY)
    time.sleep(0.3)
    equal(lab.server.events(CLOSED), [], "attempts before accept")
    server = lab.keep(listener.accept()[0])
    lab.server.wait(CLOSED)
    server.settimeout(TIMEOUT)
    receive(server, 1)


def test_detach_with_requests_queued(lab):
    lab.client.on(FULLY, OPEN, arg1=1, count=8)
    listener = lab.listen(mptcp=True)
    for _ in range(3):
        client, server = lab.pair(mptcp=True, listener=listener)
        client.sendall(b"x")
        receive(server, 1)
        server.sendall(b"y")
        lab.client.detach()
        receive(client, 1)
        lab.client.attach()
        talk(client, server, 1000)


def test_subflow_that_cannot_connect(lab):
    lab.client.on(FULLY, OPEN, arg1=1, daddr=sockaddr(lab.SERVER2, 9))
    client, server = lab.session()
    event = lab.client.wait(CLOSED)[0]
    equal((event.remote, event.remote_port, event.args[3]), (lab.SERVER2, 9, ECONNREFUSED), "address, port and error")
    subflows(client, 0)


def test_close_subflow_by_address(lab):
    lab.listen(lab.SERVER2, mptcp=True)
    lab.client.on(FULLY, OPEN, arg1=1, saddr=sockaddr(lab.CLIENT2), daddr=sockaddr(lab.SERVER2))
    lab.client.on(FULLY, OPEN, arg1=1)
    client, server = lab.session()
    subflows(client, 2)
    # Any later event can ask for it: the peer announces something.
    lab.client.on(ADD_RADDR, CLOSE, daddr=sockaddr(lab.SERVER2))
    sh("ip -n s mptcp endpoint add 10.0.9.9 signal")
    lab.client.wait(ADD_RADDR)
    closed = lab.client.wait(CLOSED)[0]
    equal((closed.remote, closed.args[3]), (lab.SERVER2, 0), "remote address and error of the subflow closed")
    subflows(client, 1)
    time.sleep(0.2)
    equal(len(lab.client.events(CLOSED)), 1, "subflows closed")
    talk(client, server, 10000)


def test_close_the_subflow_of_the_event(lab):
    lab.client.on(FULLY, OPEN, arg1=1)
    result = lab.client.on(ESTABLISHED, CLOSE, arg3=0)
    client, server = lab.session()
    equal(lab.client.wait(ESTABLISHED, match=further)[0].ret[result], 0, "bpf_mptcp_close_subflow")
    lab.client.wait(CLOSED)
    subflows(client, 0)
    talk(client, server, 10000)


def priorities(capture):
    return [value[0] & 1 for s in capture.read() for kind, value in s.options if kind == 30 and value and value[0] >> 4 == 5]


def test_priority(lab):
    lab.client.on(FULLY, OPEN, arg1=1)
    lab.client.on(ESTABLISHED, PRIORITY, arg3=0, value=1)
    capture = lab.capture("s1")
    client, server = lab.session()
    until(lambda: priorities(capture), "no MP_PRIO was sent")
    equal(priorities(capture), [1], "backup flag of MP_PRIO")
    lab.client.on(ADD_RADDR, PRIORITY, saddr=sockaddr("0.0.0.0") + sockaddr("0.0.0.0", lab.port), value=0)
    sh("ip -n s mptcp endpoint add 10.0.9.9 signal")
    until(lambda: len(priorities(capture)) >= 3, lambda: f"MP_PRIO: {priorities(capture)}")
    equal(priorities(capture), [1, 0, 0], "backup flags: one subflow made a backup, then both normal")
    lab.client.on(REM_RADDR, CLOSE)
    talk(client, server, 10000)


def priority_while_joining(lab, who, flag_from):
    lab.client.on(FULLY, OPEN, arg1=1)
    result = who.on(ESTABLISHED, PRIORITY, arg3=0, value=1)
    with slow_link(lab, 50):
        capture = lab.capture("s1")
        client, server = lab.session()
        equal(who.wait(ESTABLISHED, match=further)[0].ret[result], 0, "bpf_mptcp_set_priority")
        until(lambda: priorities(capture), "no MP_PRIO was sent")
        talk(client, server, 10000)
        equal(priorities(capture), [1], "backup flag of MP_PRIO")
        (segment,) = [s for s in capture.read() if any(kind == 30 and v and v[0] >> 4 == 5 for kind, v in s.options)]
        equal(segment.src, flag_from, "who sent it")


def test_priority_by_who_joins_before_the_fourth_ack(lab):
    priority_while_joining(lab, lab.client, lab.CLIENT)


def test_priority_by_who_is_joined_at_the_third_ack(lab):
    priority_while_joining(lab, lab.server, lab.SERVER)


def test_first_subflow_of_a_session_on_a_socket_used_before(lab):
    result = lab.client.on(FULLY, PRIORITY, arg1=1, value=1)
    capture = lab.capture("s1")
    listener = lab.listen(mptcp=True)
    client, server = lab.pair(listener=listener, mptcp=True)
    talk(client, server)
    # What was asked for dies with the session.
    until(lambda: priorities(capture), "no MP_PRIO was sent in the first session")
    check(LIBC.connect(client.fileno(), bytes(16), 16) == 0, "connect(AF_UNSPEC)")
    client.connect((lab.SERVER, lab.port))
    server = lab.keep(listener.accept()[0])
    server.settimeout(TIMEOUT)
    talk(client, server)
    equal([e.ret[result] for e in lab.client.wait(FULLY, count=2)], [0, 0], "bpf_mptcp_set_priority, twice")
    until(lambda: len(priorities(capture)) == 2, lambda: f"MP_PRIO: {priorities(capture)}")


def test_refuse_incoming_subflow(lab):
    lab.server.config(port=lab.port, refuse=1)
    lab.client.on(FULLY, OPEN, arg1=1)
    capture = lab.capture("s1")
    client, server = lab.session()
    asked = lab.server.wait(ACCEPT)[0]
    token = mptcp_info(server)["token"]
    equal((asked.args[:3], asked.loc_token, asked.is_fullsock), ((token, 0, 0), token, 0), "token, address id, backup")
    equal((asked.local, asked.remote), (lab.SERVER, lab.CLIENT), "addresses")
    lab.client.wait(CLOSED)
    subflows(server, 0)
    resets = [s for s in capture.read() if s.flags & RST]
    equal([value for s in resets for kind, value in s.options if kind == 30], [b"\x80\x03"], "MP_TCPRST: administratively prohibited")
    lab.server.config(port=lab.port, refuse=0)
    lab.client.on(ADD_RADDR, OPEN)
    sh("ip -n s mptcp endpoint add 10.0.9.9 signal")
    subflows(server, 1)


def test_two_namespaces_one_cgroup(lab):
    # The same program serves a session in each namespace; the cookie tells them apart.
    with namespace("s"):
        pass
    there = lab.listen(lab.CLIENT, mptcp=True, ns="c", probe=lab.client)
    back = lab.connect(lab.CLIENT, mptcp=True, ns="s", probe=lab.client)
    accepted = lab.keep(there.accept()[0])
    accepted.settimeout(TIMEOUT)
    client, server = lab.session()
    talk(back, accepted)
    seen = {e.loc_token: e.netns for e in lab.client.events(FULLY) if e.args[1] == 1}
    mine, foreign = mptcp_info(client)["token"], mptcp_info(back)["token"]
    check(mine in seen and foreign in seen, f"sessions: {seen}")
    check(seen[mine] != seen[foreign], "one cookie for two namespaces")


def test_userspace_path_manager(lab):
    with namespace("c"):
        path = "/proc/sys/net/mptcp/pm_type"
        set_pm = lambda value: sh(f"ip netns exec c sysctl -qw net.mptcp.pm_type={value}")
        set_pm(1)
    try:
        lab.listen(lab.SERVER2, mptcp=True)
        lab.client.on(FULLY, OPEN, arg1=1, saddr=sockaddr(lab.CLIENT2), daddr=sockaddr(lab.SERVER2))
        lab.client.on(FULLY, OPEN, arg1=1)
        client, server = lab.session()
        subflows(client, 2)
        sh(f"ip -n s mptcp endpoint add 10.0.9.9 signal")
        lab.client.wait(ADD_RADDR)
    finally:
        set_pm(0)
    check(os.path.exists(path), "no such setting")


def test_in_kernel_path_manager_beside_it(lab):
    sh(f"ip -n c mptcp endpoint add {lab.CLIENT2} dev c2 subflow")
    lab.listen(lab.SERVER2, mptcp=True)
    lab.client.on(FULLY, OPEN, arg1=1)
    client, server = lab.session()
    subflows(client, 2)
    until(lambda: len(lab.client.events(ESTABLISHED)) == 3, "the in-kernel path manager's subflow was not told of")
    talk(client, server, 100000)


def test_set_an_option_of_a_new_subflow(lab):
    lab.client.on(FULLY, OPEN, arg1=1)
    lab.client.on(ESTABLISHED, SET_STRING, level=6, name=13, saddr=b"vegas")
    lab.client.on(CLOSED_SESSION, SET_STRING, level=6, name=13, saddr=b"vegas")
    flags = lab.client.flags(CLOSED_SESSION)
    client, server = lab.session()
    equal(lab.client.wait(ESTABLISHED)[0].ret[1], 0, "bpf_setsockopt on a new subflow")
    check("vegas" in sh(f"ip netns exec c ss -Htni dport = :{lab.port}"), "ss does not see the congestion control")
    token = mptcp_info(client)["token"]
    client.close()
    closed = lab.client.wait(CLOSED_SESSION, token=token)[0]
    equal((closed.ret[2], closed.ret[flags]), (EINVAL, EINVAL), "setsockopt and cb_flags_set when nothing is locked")


TESTS = [value for name, value in list(globals().items()) if name.startswith("test_")]
