"""The names of a run's keys, from the table in `config.py`: what another name may mean, and the table in Markdown."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping

from ..support import ArgumentError
from .config import RECORD, REFUSED, Key, RunConfig
from .refusals import row_of

_TABLE = {name: key for name, key in vars(RunConfig).items() if isinstance(key, Key)}
_RECORDED = frozenset(name for name, key in _TABLE.items() if key.reader == RECORD)
KEYS = tuple(name for name, key in _TABLE.items() if key.reader not in (RECORD, REFUSED))
_SYNONYMS = {word: name for name, key in _TABLE.items() for word in key.synonyms}
_MARKUP = re.compile(r"[|*<]")  # what Markdown would take for its own
_ALIKE = 0.8  # similarity from which a name is taken for a misspelling


def nearest_key(name: str, alike: float = _ALIKE) -> str | None:
    """Return the key that `name` is a synonym or a misspelling of, None where nothing is near."""
    clean = name.strip().lower().replace("-", "_")
    if clean in _SYNONYMS:
        return _SYNONYMS[clean]
    return next(iter(difflib.get_close_matches(clean, KEYS, 1, alike)), None)


def refuse_unknown(names: Iterable[str]) -> None:
    """Refuse keywords that are no keys of a run; those of refusals.py are left to it, which says why.

    Raises:
        ArgumentError: naming the key that the first of them comes nearest to.
    """
    for name in names:
        if name not in KEYS and name not in _RECORDED and row_of(name) is None:
            near = nearest_key(name, 0.0)
            raise ArgumentError(name, f"be a key of a run, as {near} is", "none; all of them: " + ", ".join(KEYS))


def remarks_on_keys(config: Mapping[str, object], file: str) -> tuple[str, ...]:
    """Return remarks on the keys of a JSON file that theory does not read, a line each.

    Raises:
        ArgumentError: a misspelling, a name near to a key that is not there.
    """
    others = [name for name in config if name not in KEYS and name not in _RECORDED and row_of(name) is None]
    for name in others:
        near = nearest_key(name)
        if near is not None and near not in config:
            raise ArgumentError(name, f"be spelt {near} in {file}, or be another word", "neither")
    return (f"keys of {file} that mean nothing here: {', '.join(others)}",) if others else ()


def keys_table() -> str:
    """Return all keys of a run as a Markdown table: name, what it holds, unit, meaning, other names, what reads it."""
    titles = ("key", "holds", "unit", "meaning", "other names", "read by")
    rows = [
        (f"`{name}`", key.holds, key.unit, key.help, ", ".join(f"`{word}`" for word in key.synonyms), key.reader)
        for name, key in _TABLE.items()
    ]
    lines = [titles, ("---",) * len(titles), *rows]
    return "\n".join("| " + " | ".join(_MARKUP.sub(r"\\\g<0>", cell) for cell in line) + " |" for line in lines) + "\n"
