import threading
import time

import pytest

from pipeline.data.parallel import in_order


@pytest.mark.parametrize("workers", [1, 3, None])
def test_results_come_in_the_items_order(workers):
    def work(n):
        time.sleep(0.01 * (5 - n % 5))  # later items are done sooner
        return n * n

    assert list(in_order(work, range(20), workers)) == [n * n for n in range(20)]


def test_several_are_worked_on_at_a_time():
    together = threading.Barrier(3, timeout=10)
    assert list(in_order(lambda n: together.wait() >= 0, range(6), 3)) == [True] * 6


def test_few_items_are_in_memory():
    read = []

    def items():
        for n in range(100):
            read.append(n)
            yield n

    results = in_order(lambda n: n, items(), 2)
    for done in range(1, 50):
        next(results)
        assert len(read) <= done + 4


def test_an_error_is_raised_in_its_turn_and_ends_the_work():
    read = []

    def items():
        for n in range(1000):
            read.append(n)
            yield n

    def work(n):
        if n == 7:
            raise ValueError("seven")
        return n

    done = []
    with pytest.raises(ValueError, match="seven"):
        done.extend(in_order(work, items(), 2))
    assert len(read) < 20
