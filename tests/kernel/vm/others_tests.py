"""Several programs on one socket, and options that are not theirs to write. Each function is one test."""

import struct

from lab import *
from mptcp_lab import *
from tcp_tests import CC_OPTION, from_client, kinds


BYSTANDERS = ("minus_one", "returns_zero", "writes_all", "accepts")


def test_programs_of_others_beside_ours(lab):
    # In our cgroup, attached after ours, and in the cgroup above: what they reply is theirs.
    with lab.nested() as (inner, outer):
        listener = lab.listen()
        inner.flags(ACTIVE)
        inner.config(port=lab.port, size=4, write=CC_OPTION)
        lab.server.config(port=lab.port)
        for cgroup in (inner.cgroup, outer.cgroup):
            for name in BYSTANDERS:
                other = lab.keep(Bystander(lab, name, cgroup))
                theirs = lab.keep(Bystander(lab, name, lab.server.cgroup))
                capture = lab.capture("s1")
                lab.server.reset()
                lab.server.config(port=lab.port)
                client = lab.connect(probe=inner)
                server = lab.keep(listener.accept()[0])
                talk(client, server)
                sent = [s for s in from_client(lab, capture) if s.sport == client.getsockname()[1] and not s.flags & SYN]
                check(sent and all(kinds(s, 0x42) == [b"\0\3"] for s in sent), f"{name} in {cgroup}: {[s.options for s in sent]}")
                check(not any(kinds(s, 0xEF) for s in sent), f"{name} in {cgroup}: its bytes are in a header")
                parsed = {(e.args[:3], e.opt[:4]) for e in lab.server.events(PARSE)}
                equal(parsed, {((0x42, 4, struct.unpack("<I", CC_OPTION)[0]), CC_OPTION)}, f"what the server's program was told beside {name}")
                for thing in (other, theirs):
                    thing.close()
                    lab.open.remove(thing)


def test_programs_of_others_before_ours(lab):
    lab.client.config(port=lab.port, size=4, write=CC_OPTION)
    lab.client.flags(ACTIVE)
    lab.server.flags(PASSIVE)
    listener = lab.listen()
    for name in BYSTANDERS:
        lab.client.detach()
        lab.server.detach()
        others = [lab.keep(Bystander(lab, name, probe.cgroup)) for probe in (lab.client, lab.server)]
        lab.client.attach()
        lab.server.attach()
        capture = lab.capture("s1")
        client, server = lab.pair(listener=listener)
        talk(client, server)
        sent = [s for s in from_client(lab, capture) if s.sport == client.getsockname()[1] and not s.flags & SYN]
        check(sent and all(kinds(s, 0x42) == [b"\0\3"] for s in sent), f"{name}: {[s.options for s in sent]}")
        equal({e.args[:3] for e in lab.server.events(PARSE)}, {(0x42, 4, struct.unpack("<I", CC_OPTION)[0])}, f"what the server's program was told after {name}")
        for other in others:
            other.close()
            lab.open.remove(other)


def test_options_of_several_programs_add_up(lab):
    with lab.nested() as (inner, outer):
        listener = lab.listen()
        inner.flags(ACTIVE)
        lab.server.flags(PASSIVE)
        sizes = lambda first, second: (
            inner.config(port=lab.port, size=first, write=bytes([0x42, first]) + bytes(14), quiet=0),
            outer.config(port=lab.port, size=second, write=bytes([0x43, second]) + bytes(14), quiet=0),
        )
        sizes(4, 6)
        capture = lab.capture("s1")
        client = lab.connect(probe=inner)
        server = lab.keep(listener.accept()[0])
        server.settimeout(TIMEOUT)
        talk(client, server)
        last = from_client(lab, capture)[-1].raw
        equal(last[-12:], bytes([0x42, 4, 0, 0, 0x43, 6, 0, 0, 0, 0, 1, 1]), "own cgroup's option, then that of the one above")
        equal({e.args[1] for e in inner.events(WRITE)}, {4}, "bytes granted to the first program")
        equal({e.args[1] for e in outer.events(WRITE)}, {8}, "bytes granted to the second program")
        equal({e.args[1] for e in outer.events(SIZE) if e.skb_len} & {16}, {16}, "bytes so far, those of the first program included")
        equal([e.args[0] for e in lab.server.events(PARSE)][:2], [0x42, 0x43], "kinds delivered")
        before = no_room("c")
        sizes(16, 16)
        talk(client, server)
        last = from_client(lab, capture)[-1]
        equal((bool(kinds(last, 0x42)), bool(kinds(last, 0x43))), (True, False), "12 bytes of time stamps and 16 leave no room for 16")
        check(no_room("c") > before, "a segment without room was not counted")
        sizes(0, 4)
        talk(client, server)
        equal(from_client(lab, capture)[-1].raw[-4:], bytes([0x43, 4, 0, 0]), "the second program's option alone")
        equal(inner.events(WRITE)[-1].args[1], 0, "bytes granted to a program that wanted none")


def no_room(ns):
    """TcpExt: TCPBpfOptNoRoom of a namespace."""
    names, values = [line.split() for line in sh(f"ip netns exec {ns} cat /proc/net/netstat").splitlines() if line.startswith("TcpExt")]
    return int(values[names.index("TCPBpfOptNoRoom")])


def test_kinds_of_the_kernel_are_refused(lab):
    lab.client.flags(ACTIVE)
    capture = lab.capture("s1")
    client = server = None
    for what, wire in (
        (bytes([8, 10]) + b"\x7f" * 8, b""),  # a second time stamp
        (bytes([5, 10]) + b"\x01" * 8, b""),  # a forged SACK
        (bytes([30, 4, 0x50, 1]), b""),  # MP_PRIO
        (bytes([2, 4, 0, 64]), b""),
        (bytes([3, 3, 7]), b""),
        (bytes([4, 2]), b""),
        (bytes([19, 18]), b""),
        (bytes([29, 4, 0, 0]), b""),
        (bytes([34, 4, 1, 1]), b""),
        (bytes([254, 4, 0xF9, 0x89]), b""),
        (bytes([254, 6, 0xE2, 0xD4, 0xC3, 0xD9]), b""),
        (bytes([0x42, 4, 0, 1, 0x42, 4, 0, 2]), bytes([0x42, 4, 0, 1])),  # a kind twice
        (bytes([253, 4, 0, 1, 253, 4, 0, 1]), bytes([253, 4, 0, 1])),
        (bytes([253, 4, 0, 1, 253, 4, 0, 2]), bytes([253, 4, 0, 1, 253, 4, 0, 2])),  # two experiments
        (bytes([8, 2, 0x42, 2]), bytes([1, 1, 0x42, 2])),
    ):
        lab.client.config(port=lab.port, size=len(what), write=what)
        if client is None:
            client, server = lab.pair()
        talk(client, server)
        segment = from_client(lab, capture)[-1]
        padded = (len(what) + 3) // 4 * 4
        equal(segment.raw[-padded:], wire.ljust(padded, b"\1"), f"what {what.hex()} became")
        equal(len(kinds(segment, 8)), 1, f"time stamps beside {what.hex()}")


def test_a_kind_that_an_earlier_program_wrote(lab):
    with lab.nested() as (inner, outer):
        listener = lab.listen()
        inner.flags(ACTIVE)
        inner.config(port=lab.port, size=4, write=bytes([0x42, 4, 0, 1]))
        outer.config(port=lab.port, size=4, write=bytes([0x42, 4, 0, 2]))
        capture = lab.capture("s1")
        client = lab.connect(probe=inner)
        server = lab.keep(listener.accept()[0])
        talk(client, server)
        equal(from_client(lab, capture)[-1].raw[-8:], bytes([0x42, 4, 0, 1, 1, 1, 1, 1]), "the first one's stands")


def test_refusal_is_sticky(lab):
    """One program is enough, whatever those of others reply, before it or after it, in its cgroup or above."""
    lab.server.detach()
    lab.client.on(FULLY, OPEN, arg1=1)
    for order in ("before", "after"):
        for name in ("minus_one", "returns_zero", "accepts", "writes_all"):
            lab.client.reset()
            lab.server.reset()
            lab.client.config(port=lab.port)
            lab.client.on(FULLY, OPEN, arg1=1)
            lab.server.config(port=lab.port, refuse=1)
            other = Bystander(lab, name, lab.server.cgroup) if order == "before" else None
            lab.server.attach()
            other = other or Bystander(lab, name, lab.server.cgroup)
            try:
                client, server = lab.session()
                asked = lab.server.wait(ACCEPT)[0]
                equal(asked.args[:3], (mptcp_info(server)["token"], 0, 0), f"what the program was asked {order} {name}")
                equal(lab.client.wait(CLOSED)[0].args[3], ECONNREFUSED, f"the end of the subflow, {name} {order} ours")
                equal(mptcp_info(server)["subflows"], 0, "subflows")
                client.close(), server.close()
                lab.open[0].close()
                lab.open = []
            finally:
                lab.server.detach()
                other.close()
    lab.server.attach()


def test_a_refusal_of_another_program_counts(lab):
    with lab.nested() as (inner, outer):
        outer.config(port=lab.port, refuse=1)
        inner.config(port=lab.port, refuse=0)
        lab.client.on(FULLY, OPEN, arg1=1)
        listener = lab.listen(mptcp=True, probe=inner)
        client, server = lab.pair(mptcp=True, listener=listener)
        talk(client, server)
        equal(lab.client.wait(CLOSED)[0].args[3], ECONNREFUSED, "the end of the subflow that the program above refuses")


def test_what_an_event_says_beside_programs_of_others(lab):
    for order in ("before", "after"):
        for name in ("minus_one", "writes_all"):
            lab.client.detach()
            other = Bystander(lab, name, lab.client.cgroup) if order == "before" else None
            lab.client.attach()
            other = other or Bystander(lab, name, lab.client.cgroup)
            try:
                lab.client.reset()
                lab.client.config(port=lab.port)
                client, server = lab.session()
                sh(f"ip -n s mptcp limits set add_addr_accepted 8; ip -n s mptcp endpoint add {lab.SERVER2} id 7 signal")
                event = lab.client.wait(ADD_RADDR)[0]
                equal((address_of(event), event.args[1:]), (lab.SERVER2, (0, 7, 2)), f"address, port, id, family {order} {name}")
                sh("ip -n s mptcp endpoint delete id 7")
                equal(lab.client.wait(REM_RADDR)[0].args[1], 7, "id of the address withdrawn")
                equal({e.args[0] for e in lab.client.events(NEW, FULLY)}, {mptcp_info(client)["token"]}, "tokens")
                client.close(), server.close()
                lab.open[0].close()
                lab.open = []
            finally:
                other.close()


TESTS = [value for name, value in list(globals().items()) if name.startswith("test_")]
