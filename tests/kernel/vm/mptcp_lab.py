"""What the tests of MPTCP share."""

import contextlib

from lab import *

TCP_IS_MPTCP = 43
EOPNOTSUPP, ENOTCONN, EINVAL, ENOSPC, ENOMEM = -95, -107, -22, -28, -12
EPERM, EADDRNOTAVAIL, ENETUNREACH, ECONNABORTED, ECONNRESET, ECONNREFUSED = 1, 99, 101, 103, 104, 111


def established(ns, port):
    """The subflows that ss sees: (local address, local port, remote address, remote port)."""
    found = []
    for line in sh(f"ip netns exec {ns} ss -Htn state established '( sport = :{port} or dport = :{port} )'").splitlines():
        local, remote = line.split()[2:4]
        found.append(tuple(x.strip("[]") for part in (local, remote) for x in part.rsplit(":", 1)))
    return found


def subflows(s, count):
    until(lambda: mptcp_info(s)["subflows"] == count, lambda: f"{mptcp_info(s)['subflows']} further subflows instead of {count}")


def further(event):
    """Of SUBFLOW_ESTABLISHED: not of the session's first subflow."""
    return event.args[3] == 0


def receive_end(s):
    return s.recv(1) == b""


def slow_link(lab, ms):
    """A delay in both directions, as long as the test lasts."""
    ends = [("c", "c1"), ("s", "s1")]
    stack = contextlib.ExitStack()
    for ns, interface in ends:
        sh(f"tc -n {ns} qdisc add dev {interface} root netem delay {ms}ms")
        stack.callback(sh, f"tc -n {ns} qdisc del dev {interface} root")
    return stack
