"""Writers that append to parents in threads, for tests of what happens beside them."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from typing import Any

from django.db import connections

from bothsides import Pair
from cutover import write

FIELDS: dict[str, Callable[[int], dict[str, Any]]] = {
    "job_logs": lambda n: {
        "level": "ERROR" if n % 3 == 0 else "INFO",
        "message": f"line {n % 7}",
        "created_at": datetime(2026, 3, 1, 10, n % 5, tzinfo=UTC),
    },
    "device_events": lambda n: {"kind": "open", "count": n % 3, "at": None, "extra": {}},
    "account_tags": lambda n: {"kind": f"k{n % 2}", "value": f"v{n % 3}"},
    "ticket_history": lambda n: {"field": "status", "amount": n % 3},
}


@contextmanager
def writing(pairs: list[Pair], writers: int = 3) -> Iterator[Callable[[], int]]:
    """Writers that append to the parents until the end; gives the number of their writes so far."""
    stop, written, errors = threading.Event(), count(), list[BaseException]()
    total = [0]

    def work(number: int) -> None:
        try:
            while not stop.is_set():
                n = next(written)
                made = pairs[n % len(pairs)]
                write.append(made.binding, made.key, FIELDS[made.binding.name](n))
                total[0] = n
        except BaseException as error:  # noqa: BLE001 - told at the end
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(writers)]
    for thread in threads:
        thread.start()
    try:
        yield lambda: total[0]
    finally:
        stop.set()
        for thread in threads:
            thread.join(10)
    assert errors == []
