"""How many programs XLA compiles while something runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import jax

_EVENT = "/jax/core/compile/backend_compile_duration"
_open: list["Compiles"] = []


@dataclass
class Compiles:
    """The number of programs compiled within the block so far."""

    count: int = 0


def _listen(event: str, _: float, **__: object) -> None:
    if event == _EVENT:
        for compiles in _open:
            compiles.count += 1


jax.monitoring.register_event_duration_secs_listener(_listen)


@contextmanager
def counted_compiles() -> Iterator[Compiles]:
    """Counts the programs that are compiled in the block."""
    compiles = Compiles()
    _open.append(compiles)
    try:
        yield compiles
    finally:
        _open.remove(compiles)
