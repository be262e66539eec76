"""The tests can fail: each group of them turns red for a twin with a planted fault.

The faults themselves are in `parties/faults.py`. A run of the suite with the twin as its subject
must say FAILED for the named tests, and not for any other reason than their own assertions.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from parties.faults import FAULTS

HERE = Path(__file__).parent

RED: dict[str, str] = {
    "float-as-int": "test_messages.py -k every_value_arrives",
    "bytes-as-text": "test_messages.py -k every_value_arrives",
    "big-ints-wrap": "test_messages.py -k every_value_arrives",
    "sorted-maps": "test_messages.py -k every_value_but_bytes",
    "text-as-bytes": "test_golden.py -k write_the_golden",
    "no-array": "test_groups.py -k each_member",
    "one-message-a-member": "test_groups.py -k lies_in_redis_once",
    "no-expiry": "test_expiry.py -k lives_as_long",
    "no-capacity": "test_capacity.py -k a_full_channel",
    "last-pattern": "test_capacity.py -k first_pattern",
    "no-backup": "test_inflight.py -k left_comes_first",
    "wrong-hash": "test_hosts.py -k a_group_lies",
    "last-key": "test_encryption.py -k encrypted_with_the_first",
    "one-key": "test_encryption.py -k knows_the_senders",
    "no-key": "test_encryption.py -k does_not_know",
    "no-token-age": "test_encryption.py -k core_token",
    "fixed-prefix": "test_groups.py -k prefixes",
    "any-name": "test_names.py -k bad_channel",
    "plain-group-name": "test_groups.py -k each_member",
    "no-random-prefix": "test_groups.py -k equal_messages",
}


def test_every_fault_is_planted_somewhere() -> None:
    assert set(RED) == set(FAULTS)


@pytest.mark.long
@pytest.mark.timeout(180)
@pytest.mark.parametrize("fault", RED)
def test_a_planted_fault_is_found(fault: str) -> None:
    words = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:xdist", "--subject", f"python:{fault}"]
    run = subprocess.run(
        [*words, *RED[fault].split()], cwd=HERE, capture_output=True, text=True, check=False
    )
    assert run.returncode == 1, run.stdout[-3000:]
    assert re.search(r"^(AssertionError|_pytest.outcomes.Failed|Failed|TimeoutError|parties.peer.LayerError|cryptography.fernet.InvalidToken)", run.stdout, re.MULTILINE), run.stdout[-3000:]
