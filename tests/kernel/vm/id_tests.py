"""Ids of the addresses of MPTCP sessions. Each function is one test."""

import time

from lab import *
from mptcp_lab import *


def roam(lab, addresses):
    """Opens a subflow from one address after the other, each when the one before is closed: what programs do on a host that roams."""
    for address in addresses:
        sh(f"ip -n c addr add {address}/32 dev c2")
        try:
            lab.client.wait(ADD_LADDR, match=lambda e: address_of(e) == address)
            lab.client.wait(ESTABLISHED, match=lambda e: e.local == address)
        finally:
            sh(f"ip -n c addr del {address}/32 dev c2")
        lab.client.wait(CLOSED, match=lambda e: e.local == address)


def test_ids_are_given_back(lab):
    # Twelve addresses, one after the other, in two sessions; the namespace's eight ids stay free.
    lab.client.on(ADD_LADDR, OPEN_LOCAL)
    lab.client.on(REM_LADDR, CLOSE_LOCAL)
    listener = lab.listen(mptcp=True)
    client, server = lab.pair(mptcp=True, listener=listener)
    talk(client, server)
    roam(lab, [f"10.0.1.{i}" for i in range(101, 113)])
    equal([e.args[3] for e in lab.client.events(CLOSED)], [0] * 12, "errors")
    equal(sh("ip -n c mptcp endpoint show"), "", "endpoints of the namespace")
    for i in range(1, 9):
        sh(f"ip -n c mptcp endpoint add 10.0.4.{i} dev c2 id {i} subflow")
    client.close()
    lab.client.wait(CLOSED_SESSION)
    client, server = lab.pair(mptcp=True, listener=listener)
    talk(client, server)
    roam(lab, ["10.0.1.121", "10.0.1.122"])


def test_many_ids_at_once(lab):
    addresses = [f"10.0.1.{i}" for i in range(101, 108)]
    try:
        for address in addresses:
            sh(f"ip -n c addr add {address}/32 dev c2")
            lab.client.on(FULLY, OPEN, arg1=1, saddr=sockaddr(address))
        # Others have used up the namespace's ids.
        for i in range(1, 9):
            sh(f"ip -n c mptcp endpoint add 10.0.4.{i} dev c2 id {i} subflow")
        sh("ip -n c mptcp limits set subflows 0")
        client, server = lab.session()
        found = [e.args[0] for e in lab.client.wait(ESTABLISHED, count=7, match=further)]
        equal(len(set(found)), 7, f"different ids: {found}")
        check(all(i > 8 for i in found), f"ids of the path manager: {found}")
        equal({e.args[1] for e in lab.server.wait(ESTABLISHED, count=7, match=further)}, set(found), "ids that the peer was told")
    finally:
        for address in addresses:
            sh(f"ip -n c addr del {address}/32 dev c2 || true")


def test_endpoint_with_the_id_of_a_program_s_address(lab):
    """Such an id names one address of a session: the endpoint is for other sessions, as long as the program's subflow lives."""
    program, endpoint = "10.0.1.101", "10.0.1.50"
    sh(f"ip -n c addr add {program}/32 dev c2; ip -n c addr add {endpoint}/24 dev c1")
    lab.client.on(FULLY, OPEN, arg1=1, saddr=sockaddr(program))
    from_endpoint = lambda token: [e.args[0] for e in lab.client.events(ESTABLISHED, token=token) if e.local == endpoint]
    try:
        listener = lab.listen(mptcp=True)
        client, server = lab.pair(mptcp=True, listener=listener)
        talk(client, server)
        token = mptcp_info(client)["token"]
        number = lab.client.wait(ESTABLISHED, token=token, match=further)[0].args[0]
        lab.client.reset()
        lab.client.config(port=lab.port)
        sh(f"ip -n c mptcp endpoint add {endpoint} id {number} subflow")
        other, accepted = lab.pair(mptcp=True, listener=listener)
        talk(other, accepted)
        second = mptcp_info(other)["token"]
        until(lambda: from_endpoint(second), "the endpoint is of no use in another session")
        equal((from_endpoint(second), from_endpoint(token)), ([number], []), "ids of subflows from the endpoint, in the other session and in this one")
        sh(f"ip -n c mptcp endpoint delete id {number}")
        lab.client.wait(CLOSED, token=second)
        time.sleep(0.3)
        equal((lab.client.events(CLOSED, token=token), mptcp_info(client)["subflows"]), ([], 1), "subflows that went with the endpoint")
        # Given back, it is the endpoint's.
        lab.client.on(ADD_RADDR, CLOSE, saddr=sockaddr(program))
        sh("ip -n s mptcp endpoint add 10.0.9.9 signal")
        lab.client.wait(CLOSED, token=token)
        sh(f"ip -n c mptcp endpoint add {endpoint} id {number} subflow")
        until(lambda: from_endpoint(token) == [number], "the endpoint is of no use once the program's subflow is closed")
    finally:
        sh(f"ip -n c addr del {program}/32 dev c2; ip -n c addr del {endpoint}/24 dev c1")


def test_join_to_an_endpoint_with_the_id_of_a_program_s_address(lab):
    """The peer would know two addresses by one id, and REMOVE_ADDR of the one would take the other: the join is refused as long as the id is the program's."""
    program, endpoint = "10.0.1.101", "10.0.1.50"
    sh(f"ip -n c addr add {program}/32 dev c2; ip -n c addr add {endpoint}/24 dev c1")
    lab.client.on(FULLY, OPEN, arg1=1, saddr=sockaddr(program))
    joins = lambda op: [e for e in lab.server.events(op) if e.remote == endpoint]
    try:
        lab.listen(endpoint, mptcp=True, ns="c", probe=lab.client)
        # A join is taken at the session's own port only.
        client, server = lab.pair(mptcp=True, prepare=lambda s: s.bind((lab.CLIENT, lab.port)))
        talk(client, server)
        number = lab.client.wait(ESTABLISHED, match=further)[0].args[0]
        # Without a flag, for nothing but joins.
        sh(f"ip -n c mptcp endpoint add {endpoint} id {number}")
        lab.server.on(ADD_RADDR, OPEN, daddr=sockaddr(endpoint))
        for i in (1, 2):
            sh(f"ip -n c mptcp endpoint add 10.0.9.{i} signal")
            until(lambda: len(joins(CLOSED)) == i, lambda: f"{len(joins(CLOSED))} of {i} joins ended")
        equal([e.args[3] for e in joins(CLOSED)], [ECONNREFUSED] * 2, "errors of the joins")
        equal(joins(ESTABLISHED), [], "joins that were accepted")
        # Given back, it is the endpoint's.
        lab.client.on(ADD_RADDR, CLOSE, saddr=sockaddr(program))
        sh("ip -n s mptcp endpoint add 10.0.9.9 signal")
        lab.client.wait(CLOSED, match=lambda e: e.local == program)
        lab.server.wait(CLOSED, match=lambda e: e.remote == program)
        sh("ip -n c mptcp endpoint add 10.0.9.3 signal")
        until(lambda: joins(ESTABLISHED), "the endpoint takes no join once the program's subflow is closed")
        equal([e.args[1] for e in joins(ESTABLISHED)], [number], "id of the endpoint, as the peer was told")
    finally:
        sh(f"ip -n c addr del {program}/32 dev c2; ip -n c addr del {endpoint}/24 dev c1")


TESTS = [value for name, value in list(globals().items()) if name.startswith("test_")]
