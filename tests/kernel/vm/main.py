"""Runs the tests in the virtual machine: main.py OBJECT [NAME…]. Prints one line
of JSON for each test, as it ends."""

import json
import signal
import sys
import time
import traceback

import address_tests
import announce_tests
import id_tests
import mptcp_tests
import netns_tests
import others_tests
import sched_tests
import session_tests
import tcp_tests
from lab import SLOW, Failure, Lab

# For a test that hangs; the slowest takes two minutes where others want the processors, too.
LIMIT = 600 * SLOW


def expired(*_):
    raise Failure(f"not done after {LIMIT} s")


def main(object_file, names):
    groups = (tcp_tests, mptcp_tests, session_tests, address_tests, announce_tests, id_tests, others_tests, netns_tests, sched_tests)
    tests = [(group.__name__.removesuffix("_tests"), test) for group in groups for test in group.TESTS]
    lab = Lab(object_file)
    signal.signal(signal.SIGALRM, expired)
    for group, test in tests:
        name = f"{group}: {test.__name__.removeprefix('test_').replace('_', ' ')}"
        if names and not any(n in test.__name__ for n in names):
            continue
        result = {"name": name}
        started = time.monotonic()
        signal.alarm(LIMIT)
        try:
            lab.begin()
            test(lab)
        except Failure as failure:
            result["failure"] = str(failure)
            result["trace"] = traceback.format_exc()
        except Exception:
            result["failure"] = traceback.format_exc()
        finally:
            signal.alarm(0)
        result["ms"] = round((time.monotonic() - started) * 1000)
        print(json.dumps(result), flush=True)
    print(json.dumps({"done": len(tests)}), flush=True)


main(sys.argv[1], sys.argv[2:])
