"""Writes the generated parts of the documents.

python -m deploy.docs            write the state diagrams of docs/ and CLAUSES.md
python -m deploy.docs --check    fail, naming them, where a page is stale or a clause lacks its test
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from deploy.docs import clauses, states

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing, and say what is stale")
    if not parser.parse_args().check:
        for path, text in pages():
            path.write_bytes(text.encode())
    found = problems()
    for problem in found:
        sys.stderr.write(f"docs: {problem}\n")
    return 1 if found else 0


def pages() -> Iterator[tuple[Path, str]]:
    """Each page with generated parts, and its present text."""
    blocks = states.diagrams()
    for path in sorted((ROOT / "docs").glob("*.md")):
        yield path, states.with_diagrams(path.read_text("utf-8"), blocks)
    yield ROOT / "CLAUSES.md", clauses.page(clauses.markers(ROOT))


def problems() -> list[str]:
    """Stale pages, clauses without their test, and markers of no clause."""
    stale = [
        f"{path.relative_to(ROOT)}: is stale; run `python -m deploy.docs`"
        for path, text in pages()
        if path.read_text("utf-8") != text
    ]
    return [*stale, *clauses.problems(clauses.markers(ROOT))]


if __name__ == "__main__":
    sys.exit(main())
