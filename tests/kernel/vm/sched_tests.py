"""Packet schedulers in BPF. Each function is one test."""

import contextlib
import json
import os
import re
import subprocess
import threading
import time

from lab import *
from mptcp_lab import *

NAMES = ["t_first", "t_turns", "t_redundant", "t_nobody", "t_careless"]
FIRST, TURNS, REDUNDANT, NOBODY, CARELESS = range(5)
INIT, RELEASE, SEND, RETRANS = range(4)


def object_of(lab, name):
    return os.path.join(os.path.dirname(lab.object_file), f"{name}.o")


def available():
    return sh("ip netns exec c sysctl -n net.mptcp.available_schedulers").split()


def maps(name):
    return [m["id"] for m in json.loads(sh("bpftool -j map")) if m.get("name") == name]


class Schedulers:
    """The schedulers of sched.bpf.c, registered."""

    PIN = "/sys/fs/bpf/sched_counts"
    # The schedulers' maps, as struct_ops variables are called.
    MAPS = ["sched_first", "sched_turn", "sched_all", "sched_none", "sched_any"]

    def __init__(self, lab):
        sh(f"bpftool struct_ops register {object_of(lab, 'sched')}")
        self.registered = True
        sh(f"bpftool map pin id {maps('sched_counts')[0]} {self.PIN}")
        self.counts = Map(self.PIN, 8)
        os.unlink(self.PIN)

    def count(self, scheduler, call):
        return struct.unpack("<Q", self.counts.get(scheduler * 4 + call))[0]

    def unregister(self):
        if self.registered:
            self.registered = False
            for name in self.MAPS:
                sh(f"bpftool struct_ops unregister name {name}")

    def close(self):
        self.unregister()
        os.close(self.counts.fd)


@contextlib.contextmanager
def schedulers(lab, scheduler=None, server=None):
    """Registered, and chosen on the client's and the server's side."""
    registered = Schedulers(lab)
    try:
        for ns, chosen in (("c", scheduler), ("s", server)):
            if chosen is not None:
                sh(f"ip netns exec {ns} sysctl -qw net.mptcp.scheduler={NAMES[chosen]}")
        yield registered
    finally:
        for ns in "cs":
            sh(f"ip netns exec {ns} sysctl -qw net.mptcp.scheduler=default")
        registered.close()


def two_paths(lab):
    """A session with a subflow on each of two paths, and what the client sends on them."""
    sh(f"ip -n s mptcp endpoint add {lab.SERVER2} dev s2 signal && ip -n c mptcp limits set subflows 8 add_addr_accepted 8")
    captures = [lab.capture("c1"), lab.capture("c2")]
    client, server = lab.pair(mptcp=True, listener=lab.listen("0.0.0.0", mptcp=True))
    talk(client, server)
    subflows(client, 1)
    # The server knows the subflow when it is asked for data on it; the client, when this is acknowledged.
    until(lambda: len(established("s", lab.port)) == 2, "the second subflow is not established")
    time.sleep(0.2)
    return client, server, captures


def sent(lab, captures):
    """Bytes of payload that the client has sent, for each path."""
    return [sum(s.payload for s in capture.read() if s.dport == lab.port) for capture in captures]


def resent():
    """Segments that MPTCP has sent again, on whatever subflow, in the client's namespace."""
    names, values = [line.split() for line in sh("ip netns exec c cat /proc/net/netstat").splitlines() if line.startswith("MPTcpExt")]
    return int(values[names.index("MPTCPRetrans")])


def transfer(client, server, size):
    """Sends bytes, and sees that they arrive as they were."""
    data = os.urandom(4096) * (size // 4096)
    failures = []

    def send():
        try:
            client.sendall(data)
        except OSError as error:
            failures.append(error)

    thread = threading.Thread(target=send)
    thread.start()
    got = receive(server, len(data))
    thread.join()
    equal(failures, [], "errors of the sender")
    check(got == data, "the bytes that arrived are others")


SIZE = 4 << 20


def test_a_scheduler_is_chosen_by_its_name(lab):
    with schedulers(lab, FIRST, TURNS) as registered:
        equal(available(), ["default"] + NAMES, "net.mptcp.available_schedulers")
        done = subprocess.run("ip netns exec c sysctl -w net.mptcp.scheduler=t_unknown", shell=True, capture_output=True)
        check(done.returncode, "a scheduler that is not there was accepted")
        equal(sh("ip netns exec c sysctl -n net.mptcp.scheduler").strip(), "t_first", "the scheduler after that")
        client, server = lab.session()
        transfer(client, server, 1 << 16)
        server.sendall(b"x" * 1000)
        receive(client, 1000)
        # The client has one, the server two: its listener, and the session that has it from there.
        equal([registered.count(s, INIT) for s in (FIRST, TURNS)], [1, 2], "calls of init()")
        check(registered.count(FIRST, SEND) > 0 and registered.count(TURNS, SEND) > 0, "a scheduler was not asked")
        client.close()
        server.close()
        until(lambda: [registered.count(s, RELEASE) for s in (FIRST, TURNS)] == [1, 1], "no call of release()")
    equal(available(), ["default"], "schedulers when all are unregistered")


def test_the_first_subflow_takes_all(lab):
    with schedulers(lab, FIRST):
        client, server, captures = two_paths(lab)
        before = sent(lab, captures)
        transfer(client, server, SIZE)
        first, second = (now - then for now, then in zip(sent(lab, captures), before))
        check(first >= SIZE, f"{first} bytes on the first subflow")
        equal(second, 0, "bytes on the second subflow")
        client.close()
        server.close()


def test_subflows_take_turns(lab):
    with schedulers(lab, TURNS):
        client, server, captures = two_paths(lab)
        transfer(client, server, SIZE)
        first, second = sent(lab, captures)
        # A turn is a burst of 64 KB, or what there is room for.
        check(min(first, second) >= SIZE * 0.35, f"{first} and {second} bytes on the subflows")
        check(first + second <= SIZE * 1.1, f"{first} and {second} bytes on the subflows: data was sent twice")
        client.close()
        server.close()


def test_redundant_data_goes_over_every_subflow(lab):
    with schedulers(lab, REDUNDANT):
        client, server, captures = two_paths(lab)
        before = sent(lab, captures)
        for _ in range(20):
            talk(client, server, 100)
        small = [now - then for now, then in zip(sent(lab, captures), before)]
        check(min(small) >= 2000, f"{small} bytes on the subflows, of 20 times 100 sent one by one")
        again = resent()
        transfer(client, server, SIZE)
        again = resent() - again
        all_of_it = [now - then for now, then in zip(sent(lab, captures), before)]
        check(min(all_of_it) >= SIZE * 0.99, f"{all_of_it} bytes on the subflows, of {SIZE}")
        check(max(all_of_it) <= SIZE * 1.2, f"{all_of_it} bytes on the subflows, of {SIZE}, with {again} segments sent again")
        client.close()
        server.close()


def test_data_goes_elsewhere_when_a_path_dies(lab):
    for scheduler in (TURNS, REDUNDANT):
        lab.begin()
        with schedulers(lab, scheduler) as registered:
            client, server, captures = two_paths(lab)
            transfer(client, server, 1 << 18)
            sh("tc -n c qdisc add dev c2 root netem loss 100% && tc -n s qdisc add dev s2 root netem loss 100%")
            try:
                before = sent(lab, captures)[0]
                transfer(client, server, 1 << 20)
                equal(mptcp_info(client)["fallback"], 0, "fallback")
                check(sent(lab, captures)[0] - before >= 1 << 20, "what arrived did not go over the first path")
                check(registered.count(scheduler, RETRANS) > 0, "the scheduler was not asked for data to send again")
            finally:
                sh("tc -n c qdisc del dev c2 root && tc -n s qdisc del dev s2 root")
            client.close()
            server.close()


def test_a_scheduler_that_picks_nothing_stops_no_one_else(lab):
    with schedulers(lab, NOBODY) as registered:
        client, server = lab.pair(mptcp=True)
        client.setblocking(False)
        client.send(b"x" * 1000)
        server.sendall(b"y")
        client.settimeout(TIMEOUT)
        receive(client, 1)
        time.sleep(0.5)
        check(registered.count(NOBODY, SEND) < 1000, f"asked {registered.count(NOBODY, SEND)} times")
        server.setblocking(False)
        try:
            check(not server.recv(1), "data arrived")
        except BlockingIOError:
            pass
        # What nobody sends is thrown away.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("<ii", 1, 0))
        client.close()


def test_a_scheduler_that_picks_what_cannot_send_does_no_harm(lab):
    with schedulers(lab, CARELESS):
        client, server, captures = two_paths(lab)
        transfer(client, server, SIZE)
        # A third subflow, whose SYNs get nowhere.
        sh("ip -n c link set lo up; ip -n c route add 10.9.9.9/32 dev c2 via 10.0.2.99 onlink")
        try:
            sh(f"ip -n c neigh replace 10.0.2.99 lladdr 02:00:00:00:00:99 dev c2 && ip -n s mptcp endpoint add 10.9.9.9 id 9 signal")
            until(lambda: "SYN-SENT" in sh("ip netns exec c ss -Htan"), "no SYN was sent")
            transfer(client, server, SIZE)
        finally:
            sh("ip -n c route del 10.9.9.9/32")
        server.sendall(b"z" * 1000)
        receive(client, 1000)
        # One that is being closed from the other side.
        server.shutdown(socket.SHUT_WR)
        check(receive_end(client), "the client did not see the end")
        transfer(client, server, SIZE)
        client.close()
        server.close()


def test_sessions_keep_a_scheduler_that_is_unregistered(lab):
    with schedulers(lab, TURNS) as registered:
        listener = lab.listen(mptcp=True)
        client, server = lab.pair(mptcp=True, listener=listener)
        talk(client, server)
        registered.unregister()
        equal(available(), ["default"], "schedulers when all are unregistered")
        equal(len(maps("sched_turn")), 1, "the scheduler that a session has")
        equal(maps("sched_first"), [], "the scheduler that no session has")
        before = registered.count(TURNS, SEND)
        transfer(client, server, 1 << 18)
        check(registered.count(TURNS, SEND) > before, "the session's scheduler was not asked")
        other, its_server = lab.pair(mptcp=True, listener=listener)
        equal(registered.count(TURNS, INIT), 1, "calls of init(): a new session has the scheduler that is gone")
        transfer(other, its_server, 1 << 16)
        client.close()
        server.close()
        until(lambda: maps("sched_turn") == [], "the scheduler outlives its last session")
        equal(registered.count(TURNS, RELEASE), 1, "calls of release()")


def test_a_socket_that_is_refused_gives_its_scheduler_back(lab):
    with schedulers(lab, TURNS) as registered:
        cgroup = "/sys/fs/cgroup/tsbpf-deny"
        os.makedirs(cgroup, exist_ok=True)
        sh(f"bpftool prog load {object_of(lab, 'deny')} /sys/fs/bpf/deny && bpftool cgroup attach {cgroup} sock_create pinned /sys/fs/bpf/deny")
        try:
            with member_of(cgroup), namespace("c"):
                for _ in range(3):
                    try:
                        socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_MPTCP).close()
                        raise Failure("the socket was not refused")
                    except PermissionError:
                        pass
        finally:
            sh(f"bpftool cgroup detach {cgroup} sock_create pinned /sys/fs/bpf/deny; rm /sys/fs/bpf/deny")
        equal([registered.count(TURNS, call) for call in (INIT, RELEASE)], [3, 3], "calls of init() and release()")
        registered.unregister()
        until(lambda: maps("sched_turn") == [], "the scheduler is still held")


def test_registered_and_unregistered_under_load(lab):
    listener = lab.listen(mptcp=True)
    listener.settimeout(None)
    stop, failures, sessions = threading.Event(), [], []

    def serve(s):
        with contextlib.suppress(OSError):
            while data := s.recv(65536):
                s.sendall(data)
        s.close()

    def accept():
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    def use():
        # A thread has a network namespace of its own to be in.
        with namespace("c"):
            while not stop.is_set():
                started = time.monotonic()
                try:
                    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_MPTCP)
                    s.settimeout(TIMEOUT * 3)
                    s.connect((lab.SERVER, lab.port))
                    for _ in range(3):
                        s.sendall(b"x" * 5000)
                        receive(s, 5000)
                    s.close()
                    sessions.append(time.monotonic() - started)
                except (OSError, Failure) as error:
                    failures.append(error)

    threads = [threading.Thread(target=use) for _ in range(2)]
    threading.Thread(target=accept, daemon=True).start()
    for thread in threads:
        thread.start()
    used = 0
    try:
        for _ in range(3):
            with schedulers(lab, TURNS, TURNS) as registered:
                time.sleep(0.5)
                used += registered.count(TURNS, INIT) > 0
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    equal(failures, [], "what failed")
    equal(used, 3, "times that sessions had the scheduler")
    check(max(sessions) < TIMEOUT, f"a session took {max(sessions)} s")
    print(json.dumps({"sessions": len(sessions), "longest": round(max(sessions), 1)}), flush=True)
    until(lambda: maps("sched_turn") == [], "a scheduler outlives its sessions")


def test_many_sessions_at_once(lab):
    count = int(os.environ.get("TSBPF_SCHED_SESSIONS", "1000"))
    with schedulers(lab, TURNS, TURNS) as registered:
        import resource

        resource.setrlimit(resource.RLIMIT_NOFILE, (4 * count + 1000, 4 * count + 1000))
        listener = lab.listen(mptcp=True)
        pairs = []
        started = time.monotonic()
        for i in range(count):
            client = socket_in_client(lab)
            server = listener.accept()[0]
            pairs.append((client, server))
        for client, server in pairs:
            client.sendall(b"x" * 3000)
        for client, server in pairs:
            server.settimeout(TIMEOUT)
            equal(len(receive(server, 3000)), 3000, "bytes")
        # Where the table of tokens is full, a session goes on as TCP; the client's socket had the scheduler all the same.
        held = 2 * count - sum(server.getsockopt(socket.IPPROTO_TCP, TCP_IS_MPTCP) == 0 for _, server in pairs)
        check(held >= 1.9 * count, f"only {held - count} of {count} sessions")
        equal(registered.count(TURNS, INIT), held + 1, "calls of init()")
        for pair in pairs:
            for s in pair:
                s.close()
        until(lambda: registered.count(TURNS, RELEASE) == held, "sessions are still there", TIMEOUT * 6)
        print(json.dumps({"sessions": count, "seconds": round(time.monotonic() - started)}), flush=True)


def socket_in_client(lab):
    with namespace("c"):
        s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_MPTCP)
    s.settimeout(TIMEOUT)
    s.connect((lab.SERVER, lab.port))
    return s


# What the kernel says of the programs of refused.bpf.c, in their order.
REFUSED = [
    r"can't register",
    r"can't register",
    r"can't register",
    r"only snd_burst and avg_pacing_rate can be written",
    r"must be referenced or trusted",
    r"Unreleased reference",
    r"calling kernel function bpf_iter_mptcp_subflow_new is not allowed",
]


def test_what_is_refused(lab):
    for i, words in enumerate(REFUSED):
        done = subprocess.run(["bpftool", "struct_ops", "register", object_of(lab, f"refused{i + 1}")], capture_output=True, text=True)
        output = done.stdout + done.stderr
        check(re.search(words, output), f"no {words!r} for {i + 1}: {output[-3000:]}")
        equal(available(), ["default"], f"schedulers after {i + 1}")
    with schedulers(lab) as registered:
        done = subprocess.run(["bpftool", "struct_ops", "register", object_of(lab, "sched")], capture_output=True, text=True)
        check("can't register" in done.stdout + done.stderr, f"registered twice: {done.stdout}{done.stderr}")
        equal(available(), ["default"] + NAMES, "schedulers after that")


TESTS = [value for name, value in list(globals().items()) if name.startswith("test_")]
