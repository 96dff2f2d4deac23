"""The documents are fresh, short, and point at what exists."""

import re
from collections.abc import Iterator
from pathlib import Path

from deploy.docs import states
from deploy.docs.__main__ import problems

ROOT = Path(__file__).parents[2]
_LONGEST_ARCHITECTURE = 2500  # words
_LONGEST_RELEASE = 1500  # words of the changelog about one version
_LARGEST_README = 4096  # bytes
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_PATH = re.compile(r"`((?:gateway|region_node|coordinator|deploy|tests|protos|docs)/[\w./-]*)`")
_CODE = re.compile(r"^```.*?^```|^    .*?$", re.DOTALL | re.MULTILINE)


def documents() -> list[Path]:
    """Every page for people, of the project alone."""
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "deploy" / "README.md"])


def anchors(page: str) -> set[str]:
    """The anchors of a page: those of its headings, as GitHub makes them, and those in its tables."""
    text = _CODE.sub("", page)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    made = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return made | set(re.findall(r'<a id="([\w-]+)"></a>', text))


def broken_links(path: Path) -> Iterator[str]:
    """The relative links of a page whose file or anchor does not exist."""
    for link in _LINK.findall(_CODE.sub("", path.read_text("utf-8"))):
        if not re.match(r"[a-z]+:", link):
            file, _, anchor = link.partition("#")
            target = path.parent / file if file else path
            if not target.exists() or (anchor and anchor not in anchors(target.read_text("utf-8"))):
                yield f"{path.name}: {link}"


def lost_paths(path: Path) -> Iterator[str]:
    """The files and folders of the project that a page names and that do not exist."""
    for named in _PATH.findall(path.read_text("utf-8")):
        if not (ROOT / named).exists():
            yield f"{path.name}: {named}"


def test_generated_parts_are_fresh() -> None:
    assert problems() == []


def test_every_diagram_of_states_stands_in_a_page() -> None:
    marked = {
        name
        for page in documents()
        for name in re.findall(r"^<!-- states: (\S+) -->$", page.read_text("utf-8"), re.MULTILINE)
    }
    assert marked == set(states.diagrams())


def test_a_stale_diagram_is_written_anew_and_the_text_around_it_stays() -> None:
    page = "above\n<!-- states: order -->\nstale\n<!-- end -->\nbelow\n"
    written = states.with_diagrams(page, {"order": "fresh\n"})
    assert written == "above\n<!-- states: order -->\nfresh\n<!-- end -->\nbelow\n"


def test_links_and_paths_lead_somewhere() -> None:
    broken = [each for path in documents() for each in broken_links(path)]
    lost = [each for path in documents() if path.name != "CHANGELOG.md" for each in lost_paths(path)]
    assert broken + lost == []


def test_a_link_without_its_file_or_its_anchor_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        '# One two\n[a](#one-two) [b](#three) [c](gone.md) [d](page.md#one-two) [e](#four)\n| <a id="four"></a> |\n',
        "utf-8",
    )
    assert list(broken_links(page)) == ["page.md: #three", "page.md: gone.md"]


def test_documents_are_short() -> None:
    assert len((ROOT / "ARCHITECTURE.md").read_text("utf-8").split()) <= _LONGEST_ARCHITECTURE
    releases = (ROOT / "CHANGELOG.md").read_text("utf-8").split("\n## ")
    assert [each.splitlines()[0] for each in releases if len(each.split()) > _LONGEST_RELEASE] == []
    assert (ROOT / "README.md").stat().st_size <= _LARGEST_README


def test_every_page_of_docs_has_a_diagram_and_is_linked() -> None:
    architecture = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    pages = sorted((ROOT / "docs").glob("*.md"))
    without = [page.name for page in pages if "```" not in page.read_text("utf-8")]
    unlinked = [page.name for page in pages if f"(docs/{page.name})" not in architecture]
    assert without + unlinked == []
