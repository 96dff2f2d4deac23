"""Every shell block of the README and of the tutorial, pasted in their order against the federation that they start.

A page is one shell. A block ```` ```text ```` behind a shell block is what that prints, where `…` stands for anything,
on a line of its own for any lines. A Python block is saved under the name in its first line.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.stories.commands import ROOT

TUTORIAL = ROOT / "docs" / "tutorial"
SECONDS = 300  # for a page; a busy machine needs many times the usual ten seconds
_BLOCK = re.compile(r"^```(shell|python|text)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_END = "-- end of block --"
# `make demo` with the files of this checkout, and its federation in the directory of the test.
_MAKE = f"""#!/bin/sh
[ "$*" = demo ] || {{ echo "the pages need no make $*" >&2; exit 2; }}
exec {sys.executable} -m deploy.demo --directory "$PWD/build/demo"
"""


@dataclass(frozen=True)
class Block:
    """The lines to paste, and the expected output; None where the page does not show it."""

    shell: str
    expected: Sequence[str] | None = None


def pages() -> list[Path]:
    """The README, and the pages of the tutorial in the order of its table."""
    listed = re.findall(r"^\| \[[^]]+\]\((\S+\.md)\) \|", (TUTORIAL / "README.md").read_text("utf-8"), re.MULTILINE)
    return [ROOT / "README.md", *(TUTORIAL / name for name in listed)]


def blocks(page: str) -> Iterator[Block]:
    """The blocks of a page; a text block belongs to the shell block before it, whatever prose is between them."""
    waiting: Block | None = None
    for kind, text in _BLOCK.findall(page):
        if kind == "text":
            if waiting:
                yield Block(waiting.shell, text.splitlines())
            waiting = None
            continue
        if waiting:
            yield waiting
        waiting = Block(text if kind == "shell" else _saved(text))
    if waiting:
        yield waiting


def _saved(program: str) -> str:
    name, _, rest = program.partition("\n")
    return f"cat > {name.removeprefix('# ')} <<'SAVED'\n{rest}SAVED\n"


def differs(expected: Sequence[str], printed: str) -> bool:
    """Whether printed lines are not the expected ones; how wide the gaps in them are does not matter."""
    lines = [" ".join(line.split()) for line in expected]
    pattern = "".join(
        r"(?:.*\n)*?" if line == "…" else re.escape(line).replace("…", ".*?") + r"\n" for line in lines if line
    )
    seen = "".join(f"{' '.join(line.split())}\n" for line in printed.splitlines() if line.strip())
    return re.fullmatch(pattern, seen) is None


def paste(page: Path, where: Path) -> None:
    """Runs the blocks of a page in one shell; fails at the first block that fails or prints something else."""
    pasted = list(blocks(page.read_text("utf-8")))
    assert pasted, page
    ran = subprocess.run(
        ["/bin/sh", "-e", "-c", f"\necho '{_END}'\n".join(block.shell for block in pasted)],
        cwd=where,
        env={"PATH": f"{where / 'bin'}{os.pathsep}{os.environ['PATH']}", "HOME": str(where)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        timeout=SECONDS,
        check=False,
    )
    assert ran.returncode == 0, f"{page.name}\n{ran.stdout}"
    for block, printed in zip(pasted, ran.stdout.split(f"{_END}\n"), strict=True):
        if block.expected is not None:
            assert not differs(block.expected, printed), f"{page.name}:\n{block.shell}\nprinted\n{printed}"


def test_the_pages_are_all_listed_and_each_has_blocks_to_paste() -> None:
    assert {*TUTORIAL.glob("*.md")} == {*pages(), TUTORIAL / "README.md"} - {ROOT / "README.md"}
    assert [page.name for page in pages() if not list(blocks(page.read_text("utf-8")))] == []


def test_lines_are_compared_with_their_placeholders() -> None:
    shown = ["id  state", "…", "F… open", ""]
    assert not differs(shown, "id      state\nE1 shut\n\nF12   open\n")
    assert differs(shown, "id state\nF12 shut\n")
    assert differs(shown, "id state\nF12 open\nF13 open, too\n")


@pytest.mark.slow
@pytest.mark.timeout(10 * SECONDS)
def test_every_block_of_the_readme_and_the_tutorial_does_what_the_page_says(tmp_path: Path) -> None:
    (tmp_path / "build").mkdir()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "make").write_text(_MAKE, "utf-8")
    (tmp_path / "bin" / "make").chmod(0o755)
    (tmp_path / "deploy").symlink_to(ROOT / "deploy")
    stop = tmp_path / "build" / "demo" / "stop"
    try:
        for page in pages():
            paste(page, tmp_path)
        assert not (stop.parent / "pids").exists()
        assert (tmp_path / "complaints.html").stat().st_size > 0
    finally:
        if (stop.parent / "pids").exists():
            subprocess.run(["/bin/sh", str(stop)], check=True)
