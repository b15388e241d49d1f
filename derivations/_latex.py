"""A LaTeX document of derivations: statement, steps, results."""

from __future__ import annotations

from collections.abc import Mapping

import sympy as sp

from ._common import Derivation

_HEAD = r"""\documentclass[a4paper,11pt]{article}
\usepackage[margin=25mm]{geometry}
\usepackage{amsmath,amssymb}
\usepackage{graphicx}
\newsavebox{\formula}
\newcommand{\shown}[1]{\begin{center}\sbox{\formula}{$\displaystyle #1$}%
\ifdim\wd\formula>\linewidth\resizebox{\linewidth}{!}{\usebox{\formula}}\else\usebox{\formula}\fi\end{center}}
\title{The equations that riccati integrates, derived}
\author{}
\date{}
\begin{document}
\maketitle
"""
_TERMS = 4  # a sum of more terms is broken into lines


def document(derivations: Mapping[str, Derivation]) -> str:
    """The whole document, one section a derivation."""
    return _HEAD + "\n".join(section(name, d) for name, d in derivations.items()) + "\n\\end{document}\n"


def section(name: str, derivation: Derivation) -> str:
    """Statement, numbered steps and results of one derivation."""
    file = name.replace("_", r"\_")
    lines = [
        rf"\section{{{derivation.title}}}",
        rf"{derivation.statement} (\texttt{{derivations/{file}.py}})",
    ]
    lines += [r"\begin{enumerate}"]
    lines += [rf"\item {words}" + "\n" + rf"\shown{{{formula(shown)}}}" for words, shown in derivation.steps]
    lines += [r"\end{enumerate}", r"\paragraph{Result.}"]
    lines += [rf"\shown{{{formula(shown)}}}" for shown in derivation.result.values()]
    return "\n".join(lines) + "\n"


def formula(shown: sp.Basic) -> str:
    """An expression or equation; a long sum on the right is set over several lines."""
    if not isinstance(shown, sp.Eq):
        return sp.latex(shown)
    terms = sp.Add.make_args(shown.rhs)
    if len(terms) <= _TERMS:
        return sp.latex(shown)
    groups = [terms[i : i + _TERMS] for i in range(0, len(terms), _TERMS)]
    rows = [sp.latex(sp.Add(*group)) for group in groups]
    signed = [row if row.startswith("-") or not n else "+ " + row for n, row in enumerate(rows)]
    body = r" \\ & \quad ".join(signed)
    return rf"\begin{{aligned}} {sp.latex(shown.lhs)} = & {body} \end{{aligned}}"
