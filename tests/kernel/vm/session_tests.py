"""The first and last events of MPTCP sessions and subflows. Each function is one test."""

import re
import socket
import subprocess
import threading
import time

from lab import *
from mptcp_lab import *


def test_fallback_ends_the_session(lab):
    refused = [probe.on(CLOSED_SESSION, OPEN) for probe in (lab.client, lab.server)]
    with stripped(lab, "s", "s1"):
        client, server = lab.pair(mptcp=True)
        talk(client, server, 1000)
        for probe, index in zip((lab.client, lab.server), refused):
            token = probe.wait(NEW)[0].loc_token
            closed = probe.wait(CLOSED_SESSION)
            equal([e.args[0] for e in closed], [token], "CLOSE_SESSION at the fallback")
            equal(closed[0].ret[index], EOPNOTSUPP, "bpf_mptcp_open_subflow after the fallback")
        equal([s.getsockopt(socket.IPPROTO_TCP, TCP_IS_MPTCP) for s in (client, server)], [0, 0], "TCP_IS_MPTCP")
        talk(client, server, 1000)
        client.close()
        check(receive_end(server), "the server did not see the end")
        server.close()
    time.sleep(0.3)
    equal([probe.count(CLOSED_SESSION) for probe in (lab.client, lab.server)], [1, 1], "CLOSE_SESSION events in all")


def test_close_of_a_session_never_accepted(lab):
    listener = lab.listen(mptcp=True)
    client = lab.connect(mptcp=True)
    client.sendall(b"x")
    token = lab.server.wait(FULLY)[0].loc_token
    listener.close()
    equal(lab.server.wait(CLOSED_SESSION)[0].args[0], token, "token of CLOSE_SESSION")


def test_nothing_is_told_after_the_close(lab):
    # Subflows outlive the session: what comes by them then is nobody's.
    with slow_link(lab, 50):
        listener = lab.listen(mptcp=True)
        client = lab.connect(mptcp=True)
        client.send(b"x")
        client.close()
        lab.client.wait(CLOSED_SESSION)
        server = lab.keep(listener.accept()[0])
        server.settimeout(TIMEOUT)
        equal(server.recv(10), b"x", "what was sent before the close")
        server.close()
        until(lambda: not established("c", lab.port), "the subflow is still there")
        told = [e.op for e in lab.client.events() if e.op >= NEW]
    equal(told, [NEW, CLOSED_SESSION], "events of the session")


def test_what_is_set_in_the_first_events_stays(lab):
    sets = {op: lab.client.on(op, SET_INT, arg3=a3, level=6, name=1001, value=value) for op, a3, value in ((NEW, ANY, 37), (ESTABLISHED, 0, 38))}
    on_server = {op: lab.server.on(op, SET_INT, arg1=a1, level=6, name=1001, value=value) for op, a1, value in ((NEW, ANY, 33), (FULLY, 1, 34))}
    clamp = lab.client.on(NEW, SET_INT, level=6, name=1002, value=500)  # TCP_BPF_SNDCWND_CLAMP
    lab.client.on(FULLY, OPEN, arg1=1)
    listener = lab.listen(mptcp=True)
    client = lab.connect(mptcp=True)
    windows = lambda ns: sorted(int(w) for w in re.findall(r"cwnd:(\d+)", sh(f"ip netns exec {ns} ss -Htni state established '( dport = :{lab.port} or sport = :{lab.port} )'")))
    equal(windows("c"), [37], "what NEW_SESSION's handler set on the client")
    new = lab.client.wait(NEW)[0]
    equal((new.ret[sets[NEW]], new.ret[clamp]), (0, 0), "bpf_setsockopt in NEW_SESSION")
    client.sendall(b"x")
    server = lab.keep(listener.accept()[0])
    server.settimeout(TIMEOUT)
    equal(windows("s")[-1], 34, "what FULLY_ESTABLISHED's handler set on the server")
    equal([lab.server.wait(op)[0].ret[i] for op, i in on_server.items()], [0, 0], "bpf_setsockopt on the server")
    receive(server, 1)
    server.sendall(b"y")
    receive(client, 1)
    joined = lab.client.wait(ESTABLISHED, match=further)[0]
    equal(joined.ret[sets[ESTABLISHED]], 0, "bpf_setsockopt in SUBFLOW_ESTABLISHED")
    check(38 in windows("c"), f"windows of the client: {windows('c')}")
    check("ssthresh:500" in sh(f"ip netns exec c ss -Htni state established dport = :{lab.port}"), "the clamp's threshold is lost")
    order = [e.op for e in lab.client.events(ACTIVE, NEW)][:2]
    equal(order, [ACTIVE, NEW], "order of the first events")


def test_fastclose_ends_the_session(lab):
    client, server = lab.session()
    token = mptcp_info(client)["token"]
    # A close with data that nobody read is MPTCP's reset.
    client.sendall(b"unread")
    time.sleep(0.2)
    server.close()
    equal(lab.client.wait(CLOSED_SESSION, token=token)[0].args[0], token, "CLOSE_SESSION when FASTCLOSE comes")
    client.close()
    time.sleep(0.3)
    equal(len(lab.client.events(CLOSED_SESSION, token=token)), 1, "CLOSE_SESSION events")


def test_reset_of_the_last_subflow_ends_the_session(lab):
    sh("ip netns exec c sysctl -qw net.mptcp.close_timeout=2")
    try:
        client, server = lab.session()
        token = mptcp_info(client)["token"]
        began = time.monotonic()
        sh(f"ip netns exec c ss -K state established dport = :{lab.port}")
        closed = lab.client.wait(CLOSED, token=token)[0]
        equal((closed.local, closed.args[0], closed.args[3]), (lab.CLIENT, 0, ECONNABORTED), "SUBFLOW_CLOSED of the first subflow")
        # Another subflow may be opened for as long as close_timeout.
        lab.client.wait(CLOSED_SESSION, token=token)
        check(time.monotonic() - began > 1.5, "the session ended at once")
    finally:
        sh("ip netns exec c sysctl -qw net.mptcp.close_timeout=60")


def test_session_goes_on_after_the_reset_of_its_last_subflow(lab):
    """That is why CLOSE_SESSION does not come at once: a program may open another."""
    reopened = lab.client.on(CLOSED, OPEN, arg3=ECONNABORTED)
    client, server = lab.session()
    token = mptcp_info(client)["token"]
    sh(f"ip netns exec c ss -K state established dport = :{lab.port}")
    equal(lab.client.wait(CLOSED, token=token)[0].ret[reopened], 0, "bpf_mptcp_open_subflow when the last subflow was reset")
    lab.client.wait(ESTABLISHED, token=token, match=further)
    talk(client, server, 10000)
    equal([probe.events(CLOSED_SESSION) for probe in (lab.client, lab.server)], [[], []], "CLOSE_SESSION of a session that goes on")


def test_reset_before_the_fourth_ack_is_an_error(lab):
    """The peer has enough subflows when the third ACK comes: this host had taken the subflow for established."""
    sh("ip -n s mptcp limits set subflows 2")
    for _ in range(6):
        lab.client.on(FULLY, OPEN, arg1=1)
    client, server = lab.session()
    failed = lab.client.wait(CLOSED, count=4)
    equal([e.args[3] for e in failed], [ECONNRESET] * 4, "errors")
    subflows(client, 2)
    talk(client, server, 10000)


def test_established_and_closed_pair(lab):
    lab.client.on(FULLY, OPEN, arg1=1)
    client, server = lab.session()
    subflows(client, 1)
    token = mptcp_info(client)["token"]
    lab.client.on(ADD_RADDR, CLOSE, daddr=sockaddr("0.0.0.0", lab.port))
    sh("ip -n s mptcp endpoint add 10.0.9.9 signal")
    for probe in (lab.client, lab.server):
        up = probe.wait(ESTABLISHED, count=2)
        down = probe.wait(CLOSED, count=2)
        ends = lambda events: sorted((e.local, e.local_port or "gone", e.remote, e.args[0], e.args[1]) for e in events)
        equal(sorted((e.remote_port, e.args[:2]) for e in up), sorted((e.remote_port, e.args[:2]) for e in down), "subflows established and closed")
        equal([e.args[3] for e in up], [1, 0], "which one is the first")
        equal([e.args[3] for e in down], [0, 0], "errors")
    equal(lab.client.events(CLOSED_SESSION, token=token), [], "the session can still be given subflows")


def test_first_subflow_that_dies_before_accept(lab):
    listener = lab.listen(mptcp=True)
    client = lab.connect(mptcp=True)
    client.sendall(b"x")
    token = lab.server.wait(FULLY)[0].loc_token
    lab.server.wait(ESTABLISHED, token=token)
    sh(f"ip netns exec s ss -K state established sport = :{lab.port}")
    try:
        listener.settimeout(2)
        server = lab.keep(listener.accept()[0])
        server.close()
    except OSError:
        pass
    listener.close()
    lab.server.wait(CLOSED_SESSION, token=token)
    ops = [e.op for e in lab.server.events(NEW, ESTABLISHED, CLOSED, CLOSED_SESSION, token=token)]
    equal(ops, [NEW, ESTABLISHED, CLOSED, CLOSED_SESSION], "events of the session")


def test_priority_that_the_peer_sets(lab):
    lab.client.on(FULLY, OPEN, arg1=1)
    lab.client.on(ESTABLISHED, PRIORITY, arg3=0, value=1)
    client, server = lab.session()
    token = mptcp_info(server)["token"]
    event = lab.server.wait(PRIO, token=token)[0]
    equal((event.args[:3], event.is_fullsock), ((0, 0, 1), 1), "SUBFLOW_PRIORITY: ids and backup")
    lab.client.on(ADD_RADDR, PRIORITY, saddr=sockaddr("0.0.0.0") + sockaddr("0.0.0.0", lab.port), value=0)
    sh("ip -n s mptcp endpoint add 10.0.9.9 signal")
    equal([e.args[2] for e in lab.server.wait(PRIO, count=3, token=token)], [1, 0, 0], "backup flags, as MP_PRIO came")


def test_refused_under_syn_cookies(lab):
    sh("ip netns exec s sysctl -qw net.ipv4.tcp_syncookies=2")
    try:
        lab.server.config(port=lab.port, refuse=1)
        lab.client.on(FULLY, OPEN, arg1=1)
        capture = lab.capture("s1")
        client, server = lab.session()
        equal(lab.client.wait(CLOSED)[0].args[3], ECONNREFUSED, "the end of the subflow")
        time.sleep(3)
        equal(len(lab.server.events(ACCEPT)), 1, "how often the program was asked")
        equal([v for s in capture.read() if s.flags & RST for kind, v in s.options if kind == 30], [b"\x80\x03"], "MP_TCPRST: administratively prohibited")
    finally:
        sh("ip netns exec s sysctl -qw net.ipv4.tcp_syncookies=1")


def test_nothing_is_told_after_the_close_by_another_processor(lab):
    """The program takes a while over ACCEPT_SUBFLOW, which holds no lock; the session is closed in the meantime."""
    lab.server.config(port=lab.port, slow_op=ACCEPT, slow_ms=400 * SLOW)
    lab.client.on(ADD_RADDR, OPEN)
    client, server = lab.session()
    token = mptcp_info(server)["token"]
    sh("ip -n s mptcp endpoint add 10.0.9.9 signal")
    lab.client.wait(ADD_RADDR)
    time.sleep(0.1)
    server.close()
    lab.server.wait(CLOSED_SESSION, token=token)
    time.sleep(0.5 * SLOW)
    ops = [e.op for e in sorted(lab.server.events(token=token), key=lambda e: e.time) if e.op >= NEW]
    equal(ops[-1], CLOSED_SESSION, f"the last event of {ops}")
    equal(ops.count(CLOSED_SESSION), 1, "CLOSE_SESSION events")


def test_events_lie_between_the_first_and_the_last_of_their_session(lab):
    """Sessions come and go while subflows join, addresses change, and programs take their time."""
    lab.client.config(port=lab.port, slow_op=ADD_LADDR, slow_ms=2)
    lab.server.config(port=lab.port, slow_op=ACCEPT, slow_ms=2)
    for _ in range(2):
        lab.client.on(FULLY, OPEN, arg1=1)
    lab.client.on(ADD_LADDR, OPEN)
    lab.server.on(ESTABLISHED, PRIORITY, arg3=0, value=1)
    listener = lab.listen(mptcp=True)
    tokens = {lab.client: [], lab.server: []}
    stop = threading.Event()

    def churn():
        with namespace("c"):
            while not stop.is_set():
                for verb in ("add", "del"):
                    subprocess.run(["ip", "addr", verb, "10.0.3.1/24", "dev", "c2"], check=True)
                    time.sleep(0.01)

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for i in range(30):
            client = lab.connect(mptcp=True)
            client.sendall(b"x")
            server = lab.keep(listener.accept()[0])
            server.settimeout(TIMEOUT)
            receive(server, 1)
            server.sendall(b"y")
            tokens[lab.client].append(mptcp_info(client)["token"])
            tokens[lab.server].append(mptcp_info(server)["token"])
            time.sleep(0.002 * (i % 6))
            for end in (client, server) if i % 2 else (server, client):
                end.close()
    finally:
        stop.set()
        thread.join()
    for probe, mine in tokens.items():
        until(lambda: probe.count(CLOSED_SESSION) >= len(mine), "a session has no end")
        time.sleep(0.2)
        logged = sorted(probe.events(), key=lambda e: e.time)
        for token in mine:
            events = [e for e in logged if e.loc_token == token]
            ops = [e.op for e in events if e.op >= NEW]
            equal((ops[0], ops[-1], ops.count(NEW), ops.count(CLOSED_SESSION)), (NEW, CLOSED_SESSION, 1, 1), f"first and last of {ops}, and how often they came")
            up, down = ops.count(ESTABLISHED), len([e for e in events if e.op == CLOSED and not e.args[3]])
            check(down <= up, f"{down} subflows ended without an error, {up} were established: {ops}")


TESTS = [value for name, value in list(globals().items()) if name.startswith("test_")]
