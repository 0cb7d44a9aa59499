import threading
import time

import pytest

from pipeline.data.parallel import in_order


def test_several_items_are_worked_on_at_a_time_in_order_and_few_are_in_memory():
    together = threading.Barrier(3, timeout=10)
    read, done = [], []

    def items():
        for n in range(1000):
            read.append(n)
            yield n

    def work(n):
        if n < 3:
            together.wait()
            time.sleep(0.02 * (2 - n))  # later items are done sooner
        if n == 50:
            raise ValueError("fifty")
        return n * n

    with pytest.raises(ValueError, match="fifty"):  # noqa: PT012
        for result in in_order(work, items(), 3):
            done.append(result)
            assert len(read) <= len(done) + 6
    assert done == [n * n for n in range(50)]
