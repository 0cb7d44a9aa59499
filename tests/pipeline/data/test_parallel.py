import threading
import time

import pytest

from pipeline.data.parallel import in_order


def test_results_come_in_the_items_order_and_several_are_worked_on_at_a_time():
    together = threading.Barrier(3, timeout=10)

    def work(n):
        together.wait()
        time.sleep(0.02 * (2 - n % 3))  # later items are done sooner
        return n * n

    assert list(in_order(work, range(6), 3)) == [n * n for n in range(6)]


def test_an_error_is_raised_in_its_turn_and_few_items_are_in_memory():
    read, done = [], []

    def items():
        for n in range(1000):
            read.append(n)
            yield n

    def work(n):
        if n == 50:
            raise ValueError("fifty")
        return n

    with pytest.raises(ValueError, match="fifty"):  # noqa: PT012
        for result in in_order(work, items(), 2):
            done.append(result)
            assert len(read) <= len(done) + 4
    assert done == list(range(50))
