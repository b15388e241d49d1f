"""How many programs XLA compiles while something runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import jax

_EVENT = "/jax/core/compile/backend_compile_duration"
_open: list["Compiles"] = []
_MOST = 100  # programs that are held from one module of tests to the next, of a megabyte or two each


@dataclass
class Compiles:
    """The number of programs compiled within the block so far."""

    count: int = 0


held = Compiles()  # since all programs were let go


def _listen(event: str, _: float, **__: object) -> None:
    if event == _EVENT:
        for compiles in (held, *_open):
            compiles.count += 1


jax.monitoring.register_event_duration_secs_listener(_listen)


def let_go_of_many() -> None:
    """Let go of all compiled programs if there are many: they are never freed by themselves."""
    if held.count > _MOST:
        jax.clear_caches()
        held.count = 0


@contextmanager
def counted_compiles() -> Iterator[Compiles]:
    """Counts the programs that are compiled in the block."""
    compiles = Compiles()
    _open.append(compiles)
    try:
        yield compiles
    finally:
        _open.remove(compiles)
