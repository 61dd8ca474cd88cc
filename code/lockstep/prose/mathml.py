"""Formulas: LaTeX to MathML at build, without the inline styles that a strict content policy forbids."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from lockstep.errors import LockstepError

STYLE = re.compile(r'\bstyle="([^"]*)"')
# what the converter writes as inline style, and the class of the theme's stylesheet that says the same
CLASSES = {
    "text-align: left": "m-left",
    "text-align: right": "m-right",
    "justify-items: start": "",
    "justify-items: end": "",
    "padding-left: 0": "m-pl0",
    "padding-right: 0": "m-pr0",
    "padding-left: 1em": "m-pl1",
    "padding-right: 0.1667em": "m-pr-thin",
    "margin-left: -0.16666667em": "m-back",
    "border-top: 0.05em solid currentcolor": "m-bt",
    "border-right: 0.05em solid currentcolor": "m-br",
    "border-left: 0.05em solid currentcolor": "m-bl",
    "border-bottom: 0.05em solid currentcolor": "m-bb",
    "width: 50%": "m-w50",
    "width: 7.5%": "m-w7",
}


_converter: Any = None


@lru_cache(maxsize=1024)
def formula(content: str, display: bool) -> str:
    """The formula as MathML. Raises LockstepError where it does not parse, or needs what the theme lacks."""
    global _converter
    import math_core  # here, since not every check meets a formula

    _converter = _converter or math_core.LatexToMathML(fancy_error=False)
    try:
        html = _converter.convert_with_local_state(content.strip(), displaystyle=display)
    except math_core.LatexError as error:
        raise LockstepError(f"the formula ${content}$ is not understood: {error}") from None
    html = STYLE.sub(lambda found: classes(found[1], content), html)
    if display:
        return f'<span class="display-math" tabindex="0" role="group" aria-label="Formula">{html}</span>'
    return html


def classes(style: str, formula: str) -> str:
    """The attributes that stand for an inline style. Raises LockstepError where the theme has none."""
    names, attributes = [], []
    for declaration in filter(None, (part.strip() for part in style.split(";"))):
        name, _, value = (part.strip() for part in declaration.partition(":"))
        if name in ("color", "background-color"):
            attributes.append(f'math{name.removesuffix("-color")}="{value}"')
        elif (known := CLASSES.get(f"{name}: {value}")) is not None:
            names += [known] if known else []
        else:
            raise LockstepError(
                f'the formula ${formula}$ needs the style "{declaration}", for which the theme has none'
            )
    return " ".join([*([f'class="{" ".join(names)}"'] if names else []), *attributes])
