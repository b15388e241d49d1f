"""The pages: README's example prints what it says, every block of code of docs/ runs, and links lead somewhere."""

import re
import tomllib
from pathlib import Path

import house
import pytest

import riccati as rc

README, DOCS = house.ROOT / "README.md", house.ROOT / "docs"
PAGES = sorted(page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md"))
_FENCE = re.compile(r"^(`{3,})[ ]?(\w+)?([^\n]*)\n(.*?)^\1$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)(#[^)\s]*)?\)")
# by docs/site/hooks.py
GENERATED = re.compile(r"(derivations|changelog|figures/\w+|derivations/\w+)\.md|figures/\w+\.png")


def blocks(text, language):
    """(options, code) of every fenced block of a language."""
    return [(options, code) for _, named, options, code in _FENCE.findall(text) if named == language]


def test_the_readmes_example_prints_what_it_says(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = README.read_text()
    [(_, code)], [(_, printed)] = blocks(text, "python"), blocks(text, "text")
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out == printed
    assert {path.name for path in tmp_path.iterdir()} == {"risk.png", "trajectory.npz"}


def test_the_readme_has_the_commands_that_are_run():
    first, second, third = (code for _, code in blocks(README.read_text(), "sh"))
    assert "riccati compare quadratic-stiefel --out out" in first
    assert "-m pytest -n 2 -q" in second
    assert third.strip().endswith("-m large")


@pytest.mark.large
@pytest.mark.parametrize("page", [page for page in PAGES if blocks((DOCS / page).read_text(), "python")])
def test_the_code_of_a_page_runs(page, monkeypatch):
    monkeypatch.chdir(house.ROOT)
    monkeypatch.syspath_prepend(str(DOCS / "site"))
    sessions = {}
    for number, (options, code) in enumerate(blocks((DOCS / page).read_text(), "python")):
        if "exec=" in options:
            named = re.search(r'session="(\w+)"', options)
            names = sessions.setdefault(named[1], {}) if named else {}
            exec(compile(code, f"{page}, block {number}", "exec"), names)


@pytest.mark.parametrize("page", PAGES)
def test_what_is_shown_as_python_is_run_when_the_site_is_built(page):
    """But for a loop in torch, which is in no environment of this package: it compiles."""
    for options, code in blocks((DOCS / page).read_text(), "python"):
        compile(code, page, "exec")
        assert 'exec="true"' in options or "import torch" in code


@pytest.mark.parametrize("page", ["../README.md", *PAGES])
def test_links_lead_somewhere(page):
    here = (DOCS / page).resolve()
    for path, anchor in _LINK.findall(_FENCE.sub("", here.read_text())):
        place = (here.parent / path).resolve()
        if here != README and GENERATED.fullmatch(place.relative_to(DOCS).as_posix()):
            continue
        assert place.exists(), path
        titles = re.findall(r"^#+ (.*)", place.read_text(), re.MULTILINE) if anchor else []
        assert not anchor or anchor[1:] in {re.sub(r"[^\w]+", "-", title.lower()).strip("-") for title in titles}, path


def test_every_public_name_is_in_the_reference():
    pages = "\n".join(page.read_text() for page in (DOCS / "reference").glob("*.md"))
    named = set(re.findall(r"^::: riccati\.(?:\w+\.)*(\w+)$", pages, re.MULTILINE))
    assert named >= {name for name in rc.__all__ if name not in ("scaling", "sgd")}


def test_what_the_site_is_built_with_is_an_extra():
    extras = tomllib.loads((house.ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert {re.match(r"[\w-]+", each)[0] for each in extras["docs"]} == {
        "latex2mathml", "markdown-exec", "mkdocs-material", "mkdocstrings",
    }  # fmt: skip
    assert (Path(__file__).parents[1] / "docs" / "site" / "mkdocs.yml").exists()
