"""The memory of a process: its size, its growth of late, and the part that it gives back."""

import os
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from gateway.process.resident import Growth, resident_bytes

MIB = 1024 * 1024
# The last piece keeps the C library from giving the others back by itself.
FREED = """
from gateway.process.resident import give_back, resident_bytes

pieces = [bytes(3_000) for _ in range(20_000)]
last = bytes(3_000)
del pieces
before = resident_bytes()
give_back()
print(before - resident_bytes())
"""


def test_the_memory_of_a_process_is_told_in_bytes() -> None:
    assert min(resident_bytes(), resident_bytes(os.getpid())) > MIB, "an interpreter has more"


def test_memory_that_is_free_again_is_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", FREED], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 40 * MIB


@given(st.lists(st.tuples(st.floats(0, 4), st.integers(0, 9)), min_size=1, max_size=30))
def test_the_growth_is_that_since_the_least_size_of_the_last_ten_seconds(steps: list[tuple[float, int]]) -> None:
    growth, now, noted = Growth(), 0.0, list[tuple[float, int]]()
    for pause, size in steps:
        now += pause
        noted.append((now, size))
        assert growth.note(size, now) == size - min(each for at, each in noted if at >= now - 10)
