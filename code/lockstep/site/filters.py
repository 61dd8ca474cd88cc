"""`filters.css`: home shows the posts of one kind or skill, the evidence the claims of one verdict, without a script.

A rule for each choice hides the posts that do not have it, so the rules are those of this site's kinds and skills.
"""

from __future__ import annotations

from typing import Any

from lockstep.experiment import VERDICTS
from lockstep.site.output import put


def write(generator: Any, writer: Any) -> None:
    """Called when the articles are written."""
    context = generator.context
    kinds = [(kind["name"], f'[data-kind="{kind["name"]}"]') for kind in context["kinds"]]
    chosen = [(f"show-{name}", has) for name, has in kinds]
    chosen += [(f"show-skill-{skill.slug}", f'[data-skills~="{skill.slug}"]') for skill in context["skills"]]
    rules = [f".posts:has(#{name}:checked) .card:not({has}) {{ display: none }}" for name, has in chosen]
    rules += [
        f".proofs:has(#show-{name}:checked) .proof[data-kind]:not({has}) {{ display: none }}" for name, has in kinds
    ]
    for verdict in VERDICTS:
        has = f'[data-verdict="{verdict}"]'
        rules.append(f".proofs:has(#show-{verdict}:checked) li[data-verdict]:not({has}) {{ display: none }}")
    rules += [_none(kind, skill) for kind in context["kinds"] for skill in context["skills"]]
    put(generator.settings, "filters.css", "".join(f"{rule}\n" for rule in rules if rule).encode())


def _none(kind: dict[str, str], skill: Any) -> str:
    """The rule that says so where no post of the kind has the skill."""
    if any(str(entry["post"].category) == kind["name"] for entry in skill.posts):
        return ""
    both = f"#show-{kind['name']}:checked):has(#show-skill-{skill.slug}:checked)"
    return f".filters:has({both} .none {{ display: block }}"
