"""The Content-Security-Policy of every page: strict, first, and needed nowhere to be less strict."""

import pytest
from webpages import Elements, every_page, file_of, nothing_in

BLOCKS = {"application/ld+json", "speculationrules"}  # data blocks, which a browser does not execute
LOCAL = {"'self'", "'none'", "'wasm-unsafe-eval'", "data:"}


def directives(policy: str) -> dict[str, list[str]]:
    """The sources of each directive; a repeated directive counts once, the first, as in a browser."""
    found: dict[str, list[str]] = {}
    for part in filter(None, map(str.strip, policy.split(";"))):
        name, *sources = part.split()
        found.setdefault(name.lower(), sources)
    return found


def weaknesses(html: str) -> list[str]:
    """What is not strict about the policy of a page, and what on the page the policy would forbid."""
    page = Elements(html)
    policies = [a["content"] for tag, a in page.found if a.get("http-equiv", "").lower() == "content-security-policy"]
    if len(policies) != 1:
        return [f"{len(policies)} policies"]
    found = directives(policies[0])
    script = found.get("script-src", found.get("default-src", []))
    said = []
    if found.get("default-src") not in (["'none'"], ["'self'"]):
        said.append(f"default-src {found.get('default-src')}")
    if found.get("base-uri") not in (["'none'"], ["'self'"]):
        said.append("base-uri has no default: it must be given")
    said += [f"{name} {one}" for name, sources in found.items() for one in sources if one not in LOCAL]
    said += [
        f"{name} data:" for name, sources in found.items() if "data:" in sources and name not in ("img-src", "font-src")
    ]
    if "'wasm-unsafe-eval'" in script and not any("data-demo" in attributes for _, attributes in page.found):
        said.append("'wasm-unsafe-eval' without a demo")
    early = [tag for tag, _ in page.found[: [a.get("content") for _, a in page.found].index(policies[0])]]
    if not set(early) <= {"html", "head", "meta"}:
        said.append(f"the policy comes after {early}")
    said += [f"style= on {tag}" for tag, attributes in page.found if "style" in attributes]
    said += [f"{name}= on {tag}" for tag, attributes in page.found for name in attributes if name.startswith("on")]
    said += [
        f"javascript: on {tag}"
        for tag, a in page.found
        for v in a.values()
        if v.strip().lower().startswith("javascript:")
    ]
    said += ["a style element" for tag, _ in page.found if tag == "style"]
    said += [
        f"inline script: {text[:60]}" for tag, a, text in page.inline if tag == "script" and a.get("type") not in BLOCKS
    ]
    return said


@pytest.mark.parametrize("which", ["output", "published"])
def test_the_policy_of_every_page_is_strict_and_the_page_needs_no_more(which, request):
    output = request.getfixturevalue(which)
    nothing_in(
        {f"/{name}": weaknesses(file_of(output, name).read_text(encoding="utf-8")) for name in every_page(output)}
    )


POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; base-uri 'none'"
PAGE = (
    '<!doctype html><html><head><meta http-equiv="Content-Security-Policy" content="{}"></head><body>{}</body></html>'
)
WEAK = {
    "no policy at all": ('http-equiv="Content-Security-Policy"', ""),
    "inline script allowed": ("script-src 'self'", "script-src 'self' 'unsafe-inline'"),
    "evaluation allowed": ("script-src 'self'", "script-src 'self' 'unsafe-eval'"),
    "another host": ("script-src 'self'", "script-src 'self' https://cdn.example"),
    "any host": ("img-src 'self'", "img-src *"),
    "scripts as data": ("script-src 'self'", "script-src 'self' data:"),
    "WebAssembly without a demo": ("script-src 'self'", "script-src 'self' 'wasm-unsafe-eval'"),
    "no default": ("default-src 'none'; ", ""),
    "no base": ("; base-uri 'none'", ""),
    "a script before it": ("<head>", '<head><script src="a.js"></script>'),
    "an inline script": ("<body>", "<body><script>alert(1)</script>"),
    "a handler": ("<body>", '<body onload="alert(1)">'),
    "a style": ("<body>", '<body><p style="color: red">'),
    "a style element": ("<body>", "<body><style>p { color: red }</style>"),
    "a script as a link": ("<body>", '<body><a href=" javascript:alert(1)">x</a>'),
}


@pytest.mark.parametrize("what", WEAK)
def test_each_weakness_is_seen(what):
    strict = PAGE.format(POLICY, '<script type="application/ld+json">{"name": "data"}</script>')
    assert weaknesses(strict) == []
    old, new = WEAK[what]
    weak = strict.replace(old, new)
    assert weak != strict
    assert len(weaknesses(weak)) >= 1
