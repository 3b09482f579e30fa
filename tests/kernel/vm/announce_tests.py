"""Addresses that programs announce, beside those of the other path managers. Each function is one test."""

import socket
import struct

from lab import *
from mptcp_lab import *

PORT = 4433


def heard(lab, address):
    """(port, id) of each time that the client was told of an address of the server's."""
    return [e.args[1:3] for e in lab.client.events(ADD_RADDR) if address_of(e) == address]


def marker(lab, number):
    """Something else that the server announces: what it had to say before has been said."""
    sh(f"ip -n s mptcp endpoint add 10.0.9.{number} id {200 + number} signal")
    lab.client.wait(ADD_RADDR, match=lambda e: address_of(e) == f"10.0.9.{number}")


def event_of_server(lab, number):
    """Has the server's program run: the client announces something."""
    sh(f"ip -n c mptcp endpoint add 10.0.8.{number} id {100 + number} signal")
    lab.server.wait(ADD_RADDR, match=lambda e: address_of(e) == f"10.0.8.{number}")


def attribute(kind, value):
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)


def generic(netlink, family, command, version, *attributes):
    """One request of generic netlink: its error (0 or negative), and the answer before that."""
    body = struct.pack("=BBH", command, version, 0) + b"".join(attributes)
    NLM_F_REQUEST, NLM_F_ACK = 1, 4
    netlink.send(struct.pack("=IHHII", 16 + len(body), family, NLM_F_REQUEST | NLM_F_ACK, 1, 0) + body)
    answer = b""
    while True:
        data = netlink.recv(65536)
        while data:
            length, kind = struct.unpack_from("=IH", data)
            if kind == 2:
                return struct.unpack_from("=i", data, 16)[0], answer
            answer, data = data[20:length], data[(length + 3) & ~3 :]


def announce(address, number, token):
    """What a path manager in the server's user space asks for (Documentation/netlink/specs/mptcp_pm.yaml)."""
    NETLINK_GENERIC, GENL_ID_CTRL, CTRL_CMD_GETFAMILY = 16, 16, 3
    with namespace("s"), socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC) as netlink:
        _, found = generic(netlink, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1, attribute(2, b"mptcp_pm\0"))
        at = 0
        while (kind := struct.unpack_from("=HH", found, at))[1] != 1:
            at += (kind[0] + 3) & ~3
        family = struct.unpack_from("=H", found, at + 4)[0]
        entry = b"".join(
            (
                attribute(1, struct.pack("=H", socket.AF_INET)),
                attribute(2, bytes([number])),
                attribute(3, socket.inet_aton(address)),
                attribute(6, struct.pack("=I", 1)),
            )
        )
        NLA_F_NESTED, MPTCP_PM_CMD_ANNOUNCE = 0x8000, 8
        return generic(
            netlink, family, MPTCP_PM_CMD_ANNOUNCE, 1, attribute(NLA_F_NESTED | 1, entry), attribute(4, struct.pack("=I", token))
        )[0]


def test_program_announces_and_withdraws(lab):
    lab.server.on(FULLY, ANNOUNCE, arg1=1, saddr=sockaddr(lab.SERVER2, PORT))
    lab.server.on(ADD_RADDR, WITHDRAW, saddr=sockaddr(lab.SERVER2))
    lab.session()
    event = lab.client.wait(ADD_RADDR)[0]
    equal((address_of(event), event.args[1]), (lab.SERVER2, PORT), "address and port announced")
    event_of_server(lab, 1)
    equal(lab.client.wait(REM_RADDR)[0].args[1], event.args[2], "id withdrawn, whatever the port")


def test_endpoint_that_a_program_announces_with_a_port(lab):
    """The endpoint is announced already: not a second time, and when it comes back, it is announced again."""
    sh(f"ip -n s mptcp endpoint add {lab.SERVER2} id 7 signal")
    asked = lab.server.on(ADD_RADDR, ANNOUNCE, saddr=sockaddr(lab.SERVER2, PORT))
    lab.session()
    lab.client.wait(ADD_RADDR)
    event_of_server(lab, 1)
    equal(lab.server.events(ADD_RADDR)[0].ret[asked], 0, "bpf_mptcp_announce_addr")
    marker(lab, 1)
    equal(heard(lab, lab.SERVER2), [(0, 7)], "what the client heard of the address")
    sh("ip -n s mptcp endpoint delete id 7")
    equal(lab.client.wait(REM_RADDR)[0].args[1], 7, "id withdrawn")
    sh(f"ip -n s mptcp endpoint add {lab.SERVER2} id 7 signal")
    until(lambda: heard(lab, lab.SERVER2) == [(0, 7)] * 2, lambda: f"the endpoint is not announced again: {heard(lab, lab.SERVER2)}")


def test_endpoint_of_an_address_that_a_program_announces(lab):
    """It would be the same address under two ids."""
    lab.server.on(FULLY, ANNOUNCE, arg1=1, saddr=sockaddr(lab.SERVER2, PORT))
    lab.server.on(ADD_RADDR, WITHDRAW, saddr=sockaddr(lab.SERVER2))
    lab.session()
    [number] = [e.args[2] for e in lab.client.wait(ADD_RADDR)]
    sh(f"ip -n s mptcp endpoint add {lab.SERVER2} id 7 signal")
    marker(lab, 1)
    equal(heard(lab, lab.SERVER2), [(PORT, number)], "what the client heard of the address")
    # The program's is not the endpoint's to withdraw.
    sh("ip -n s mptcp endpoint delete id 7")
    marker(lab, 2)
    equal(lab.client.events(REM_RADDR), [], "what was withdrawn with the endpoint")
    event_of_server(lab, 1)
    equal(lab.client.wait(REM_RADDR)[0].args[1], number, "id that the program withdrew")


def test_user_space_announces_what_a_program_does(lab):
    """Under the program's id only: the peer would hear of one address under two, and echo one of them."""
    sh("ip netns exec s sysctl -qw net.mptcp.pm_type=1")
    try:
        lab.server.on(FULLY, ANNOUNCE, arg1=1, saddr=sockaddr(lab.SERVER2))
        _, server = lab.session()
        [number] = [e.args[2] for e in lab.client.wait(ADD_RADDR)]
        token = mptcp_info(server)["token"]
        other = 5 if number != 5 else 6
        equal(announce(lab.SERVER2, other, token), EINVAL, "announcing it under another id")
        equal(announce("10.0.9.1", other, token), 0, "announcing another address under that")
        lab.client.wait(ADD_RADDR, match=lambda e: address_of(e) == "10.0.9.1")
        equal(heard(lab, lab.SERVER2), [(0, number)], "what the client heard of the address")
    finally:
        sh("ip netns exec s sysctl -qw net.mptcp.pm_type=0")


TESTS = [value for name, value in list(globals().items()) if name.startswith("test_")]
