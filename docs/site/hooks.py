"""What the site's build adds: pages made from files that lie elsewhere in the tree, and formulas as MathML.

A page for each figure and each derivation shows its source, so that a fact is one link away from the code that computes
it. Formulas become MathML when the site is built: a reader needs no script and no network.
"""

from __future__ import annotations

import ast
import os
import re
import sys
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import matplotlib
from latex2mathml.converter import convert
from mkdocs.structure.files import File, Files

SITE = Path(__file__).resolve().parent
ROOT = SITE.parents[1]

_FORMULA = re.compile(r'<(span|div) class="arithmatex">\s*\\([(\[])(.*?)\\[)\]]\s*</\1>', re.DOTALL)


def on_config(config: Any) -> None:
    """Let the pages import this tree's package and `pictures`, and read files by paths from its top."""
    sys.path[:0] = [str(ROOT), str(SITE)]
    os.chdir(ROOT)
    matplotlib.use("agg")


def on_files(files: Files, config: Any) -> Files:
    """Add the changelog, the derivations, and of each figure a page and its picture."""
    for uri, content in _pages():
        files.append(File.generated(config, uri, content=content))
    for picture in sorted((ROOT / "figures" / "gallery").glob("*.png")):
        files.append(File.generated(config, f"figures/{picture.name}", abs_src_path=str(picture)))
    return files


def on_page_content(html: str, **_: Any) -> str:
    """Formulas as MathML."""
    return _FORMULA.sub(_mathml, html)


def _mathml(formula: re.Match[str]) -> str:
    display = "inline" if formula[2] == "(" else "block"
    return convert(unescape(formula[3]).strip(), display=display)


def _pages() -> Iterator[tuple[str, str]]:
    """The generated pages: their places on the site and their Markdown."""
    yield "changelog.md", (ROOT / "CHANGELOG.md").read_text().replace("](docs/", "](")
    derivations = (ROOT / "derivations" / "README.md").read_text()
    yield "derivations.md", re.sub(r"\| `(\w+)\.py` \|", r"| [`\1.py`](derivations/\1.md) |", derivations)
    for path in sorted((ROOT / "derivations").glob("[a-z]*.py")):
        yield f"derivations/{path.stem}.md", _source(path)
    for name in figures():
        yield f"figures/{name}.md", f"{_source(ROOT / 'figures' / f'{name}.py', f'![{name}]({name}.png)')}"


def _source(path: Path, above: str = "") -> str:
    """A page that shows a file, after what stands `above` it."""
    place = path.relative_to(ROOT).as_posix()
    return f"# {path.stem}\n\n{above}\n\nThe source, `{place}`:\n\n```` python\n{path.read_text()}````\n"


def figures() -> dict[str, str]:
    """What each figure shows, by its name, in the order of the gallery; read from their sources."""
    register = ast.parse((ROOT / "figures" / "_figure.py").read_text())
    names = _constant(register, "NAMES")
    return {name: _constant(ast.parse((ROOT / "figures" / f"{name}.py").read_text()), "SEE") for name in names}


def _constant(module: ast.Module, name: str) -> Any:
    """The value of a constant at the top level of a module."""
    for node in module.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return ast.literal_eval(node.value)
    raise KeyError(name)
