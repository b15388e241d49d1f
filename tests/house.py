"""How the package is built, counted: rooms and the imports between them, sizes of files, names, retired words.

`python tests/house.py` prints the counts; tests/test_house.py holds them.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections import Counter
from functools import cache
from pathlib import Path
from statistics import median

import numpy as np
from scipy.sparse.csgraph import connected_components

ROOT = Path(__file__).resolve().parents[1]

# rooms from the lowest up; an import may only lead down. Rooms of one line stand side by side
ORDER = (
    ("support", "plot"),
    ("numerics",),
    ("problem",),
    ("flows",),
    ("trajectory", "laws"),
    ("solver",),
    ("runs",),
    ("sgd",),
    ("comparison", "scaling"),
    ("sweeps",),
    ("riccati",),
    ("cli", "derivations"),
    ("figures",),
    ("__main__",),
)
LEVEL = {room: level for level, rooms in enumerate(ORDER) for room in rooms}

# as the name of anything
RETIRED_NAMES = (
    r"found|seen|judged|told\w*|\w*_told|raced?|race_\w+|\w+_race|chains?|clouds?|kicks?|hastened|course|journey"
)
# anywhere, in any case
RETIRED_WORDS = r"journey|kicks?|hastened|raced|judged|(?<!of )course(?!s? of action)|told_curve|cloud of"
_NAMES, _WORDS = re.compile(rf"(?i:{RETIRED_NAMES})\Z"), re.compile(rf"(?i:\b({RETIRED_WORDS})\b)")

# paths as prose writes them: a Python file, a folder with a slash behind it, or a path that begins with a known folder.
# A formula such as dw/dt is neither
_PLACES = sorted(
    {
        place.name
        for top in (ROOT, ROOT / "riccati")
        for place in top.iterdir()
        if place.is_dir() and place.name.isalpha()
    }
)
_PATH = re.compile(
    r"(?<![\w/.*<:~$\"'-])("
    r"(?:[\w-]+/)*\w+\.py\b"
    rf"|(?:{'|'.join(_PLACES)})/[a-z_/0-9]*[a-z_](?![\w*<.])"
    r"|(?:[a-z][a-z_0-9]{3,}/)+(?=[\s,.;:)\]]|$)"
    r")"
)
_MODULE = re.compile(r"(?<![\w./-])riccati(?:\.[A-Za-z_]\w*)+")
_COLLECTION = re.compile(r"\b(list|dict|set|List|Dict|Set|MutableMapping|MutableSequence|deque|defaultdict|Any)\b")
_GROW = {"append", "extend", "insert", "update", "setdefault", "add"}


def sources(*places: str) -> list[Path]:
    """The Python files of these folders of the checkout."""
    return sorted(path for place in places for path in (ROOT / place).rglob("*.py"))


@cache
def nodes(path: Path) -> list[ast.AST]:
    """All nodes of a file's syntax tree, parsed once for every count."""
    return list(ast.walk(ast.parse(path.read_text())))


def room_of(path: Path) -> str:
    """The room that a file stands in: a folder or file of riccati, or a companion."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    if parts[0] != "riccati":
        return parts[0]
    return "riccati" if parts[1] == "__init__" else parts[1]


def _room_named(parts: list[str], names: list[str], rooms: set[str]) -> set[str]:
    """The rooms that an import of `names` from the module riccati.`parts` leads to."""
    if parts:
        return {parts[0]} & rooms
    return {name if name in rooms else "riccati" for name in names}


def arrows() -> set[tuple[str, str]]:
    """Pairs of rooms of which the first imports from the second, wherever in a file."""
    files = sources("riccati", "derivations", "figures")
    rooms = {room_of(path) for path in files}
    pairs = set()
    for path in files:
        home = room_of(path)
        package = list(path.relative_to(ROOT).with_suffix("").parts[:-1])
        for node in nodes(path):
            if isinstance(node, ast.ImportFrom):
                base = package[: len(package) - node.level + 1] if node.level else []
                module = [*base, *(node.module.split(".") if node.module else [])]
                if module[:1] == ["riccati"]:
                    pairs |= {(home, room) for room in _room_named(module[1:], [a.name for a in node.names], rooms)}
                elif module[:1] in (["figures"], ["derivations"]):
                    pairs.add((home, module[0]))
            elif isinstance(node, ast.Import):
                for name in (alias.name.split(".") for alias in node.names):
                    if name[0] == "riccati":
                        pairs |= {(home, room) for room in _room_named(name[1:], ["riccati"], rooms)}
    return {(one, other) for one, other in pairs if one != other}


def upward() -> set[tuple[str, str]]:
    """Imports that lead up, or to a room beside; the public face `riccati` imports nothing until it is asked."""
    return {(one, other) for one, other in arrows() if one != "riccati" and LEVEL[other] >= LEVEL[one]}


def circles() -> list[list[str]]:
    """Files of the package that import each other, in a circle of two or more, for types alone or not."""
    files = {".".join(_parts(path)): path for path in sources("riccati")}
    imports: dict[str, set[str]] = {module: set() for module in files}
    for module, path in files.items():
        package = _parts(path) if path.name == "__init__.py" else _parts(path)[:-1]
        for node in nodes(path):
            if isinstance(node, ast.ImportFrom):
                base = package[: len(package) - node.level + 1] if node.level else []
                target = ".".join([*base, *(node.module.split(".") if node.module else [])])
                named = (f"{target}.{alias.name}" for alias in node.names)
                imports[module] |= {name if name in files else target for name in named} & files.keys() - {module}
    components = strongly_connected([[list(files).index(to) for to in imports[module]] for module in files])
    return [sorted(list(files)[n] for n in members) for members in components]


def _parts(path: Path) -> list[str]:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return list(parts[:-1] if parts[-1] == "__init__" else parts)


def strongly_connected(edges: list[list[int]]) -> list[list[int]]:
    """The sets of two nodes or more of a directed graph that all lead to one another."""
    graph = np.zeros((len(edges), len(edges)), bool)
    for start, ends in enumerate(edges):
        graph[start, ends] = True
    _, labels = connected_components(graph, directed=True, connection="strong")
    members = [np.flatnonzero(labels == label).tolist() for label in np.unique(labels)]
    return [each for each in members if len(each) > 1]


def lengths() -> dict[str, int]:
    """Lines of each file of the package, but for `__init__`."""
    files = [path for path in sources("riccati") if path.name != "__init__.py"]
    return {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in files}


def double_classes() -> list[str]:
    """Names that two classes of the package have."""
    names = [node.name for path in sources("riccati") for node in nodes(path) if isinstance(node, ast.ClassDef)]
    return sorted(name for name, count in Counter(names).items() if count > 1)


def grown_arguments() -> list[str]:
    """Functions that add to a list or a dictionary that they were handed."""
    grown = []
    for path in sources("riccati"):
        for node in nodes(path):
            if isinstance(node, ast.FunctionDef):
                every = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
                arguments = {
                    a.arg for a in every if a.annotation is None or _COLLECTION.search(ast.unparse(a.annotation))
                }
                arguments -= {"self", "cls"}
                grown += [
                    f"{path.relative_to(ROOT)}: {node.name}({name})"
                    for name in sorted(arguments & {name for inner in ast.walk(node) for name in _grows(inner)})
                ]
    return grown


def _grows(node: ast.AST) -> list[str]:
    """The names of what this statement adds to."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _GROW:
        return [node.func.value.id] if isinstance(node.func.value, ast.Name) else []
    return []


def untyped_dictionaries() -> list[str]:
    """Lines that say dict[str, Any], outside the modules that read and write files."""
    return [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sources("riccati")
        if "formats" not in path.parts and path.name not in ("storage.py", "checkpoint.py")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if "dict[str, Any]" in line
    ]


def retired_names() -> list[str]:
    """Names of variables, functions, classes, arguments and files that the field does not use, without old aliases."""
    bad = []
    for path in sources("riccati", "derivations", "figures"):
        where = path.relative_to(ROOT)
        names = {path.stem} if _NAMES.match(path.stem) else set()
        for node in nodes(path):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                name = node.name
            elif isinstance(node, ast.arg):
                name = node.arg
            elif isinstance(node, ast.Name):
                name = node.id
            elif isinstance(node, ast.alias):
                continue
            else:
                continue
            if _NAMES.match(name.lstrip("_")) and "warn_renamed(" not in ast.unparse(node):
                names.add(name)
        bad += [f"{where}: {name}" for name in sorted(names)]
    return bad


def retired_words() -> list[str]:
    """Lines of code, docstrings, comments and pages with a word that the field does not use."""
    return [
        f"{path.relative_to(ROOT)}:{number}: {match.group(0)}"
        for path in [*sources("riccati", "derivations", "figures"), *pages()]
        for number, line in enumerate(path.read_text().splitlines(), 1)
        for match in _WORDS.finditer(line)
    ]


def pages() -> list[Path]:
    """The pages of text that come with the code."""
    return [
        ROOT / "README.md",
        *sorted(page for place in ("derivations", "docs", "figures") for page in (ROOT / place).rglob("*.md")),
    ]


def _prose(path: Path) -> list[tuple[int, str]]:
    """The lines of a page, or of the comments and strings of a Python file, with their numbers."""
    if path.suffix != ".py":
        return list(enumerate(path.read_text().splitlines(), 1))
    tokens = tokenize.generate_tokens(io.StringIO(path.read_text()).readline)
    said = [token for token in tokens if token.type in (tokenize.COMMENT, tokenize.STRING)]
    return [(token.start[0] + n, line) for token in said for n, line in enumerate(token.string.splitlines())]


def _leads_somewhere(name: str, beside: Path) -> bool:
    """Whether a path exists in the checkout, in the package or beside the file that names it."""
    return any((place / name).exists() for place in (ROOT, ROOT / "riccati", beside.parent))


def _is_defined(dotted: str) -> bool:
    """Whether a dotted name leads to a module, or to a word in the source of the last module on the way."""
    place, parts = ROOT / "riccati", dotted.split(".")[1:]
    while parts and place.is_dir():
        inner = next((at for at in (place / parts[0], place / f"{parts[0]}.py") if at.exists()), None)
        if inner is None:
            break
        place, parts = inner, parts[1:]
    source = place / "__init__.py" if place.is_dir() else place
    return not parts or re.search(rf"\b{parts[0]}\b", source.read_text()) is not None


def dead_paths() -> list[str]:
    """Files, folders and modules that a page, docstring, comment or message names and that do not exist."""
    dead = []
    for path in [*pages(), *sources("riccati", "derivations", "figures"), *sorted((ROOT / "tests").glob("*.py"))]:
        for number, line in _prose(path):
            named = [match.group(1) for match in _PATH.finditer(line) if not _leads_somewhere(match.group(1), path)]
            named += [match.group(0) for match in _MODULE.finditer(line) if not _is_defined(match.group(0))]
            dead += [f"{path.relative_to(ROOT)}:{number}: {name}" for name in named]
    return dead


def main() -> None:
    """Print the counts."""
    between, sizes = arrows(), lengths()
    print(f"rooms {len({room for pair in between for room in pair})}, arrows {len(between)}, up {len(upward())}")
    for pair in sorted(upward()):
        print("   up:", " -> ".join(pair))
    small = sorted(name for name, size in sizes.items() if size < 60)
    print(f"files {len(sizes)}, median {median(sizes.values()):g} lines, longest {max(sizes.values())}")
    print(f"below 60 lines: {len(small)}")
    for name in small:
        print("   ", sizes[name], name)
    print("above 300 lines:", [name for name, size in sizes.items() if size > 300])
    for title, items in (
        ("circles of files", [" <-> ".join(circle) for circle in circles()]),
        ("class names that stand twice", double_classes()),
        ("arguments that are added to", grown_arguments()),
        ("dict[str, Any]", untyped_dictionaries()),
        ("retired names", retired_names()),
        ("retired words", retired_words()),
        ("dead paths", dead_paths()),
    ):
        print(f"{title}: {len(items)}")
        for item in items:
            print("   ", item)


if __name__ == "__main__":
    main()
