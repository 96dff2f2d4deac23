"""The bill of materials of the Debian packages in an image (CycloneDX 1.6, JSON).

python -m deploy.image.debian_packages     print the bill of the image in which this runs

Debian's package manager knows the packages; each licence is that of the package's `copyright`, under Debian's short
name. The same packages give the same bill.
"""

import importlib.metadata
import json
import platform
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from urllib.parse import quote, urlencode

COLUMNS = ("Package", "Version", "Architecture", "source:Package", "source:Version", "db:Status-Status")
"""The columns of `dpkg-query`, with a tab between them."""
_NAME = "crossregion"  # of the image, and of the Python distribution in it
_INSTALLED = "installed"
_DOCUMENTS = Path("/usr/share/doc")
_FORMAT = re.compile(r"^Format: .*copyright-format", re.MULTILINE | re.IGNORECASE)
_LICENCE = re.compile(r"^License:[ \t]*(\S.*?)\s*$", re.MULTILINE | re.IGNORECASE)
_STANDARD = re.compile(r"/usr/share/common-licenses/([A-Za-z0-9.+-]*[A-Za-z0-9+])")


def components(listed: str, distribution: str, copyright_of: Callable[[str], str]) -> Iterator[dict[str, object]]:
    """The components of a bill, by the lines that `dpkg-query` has printed; packages that are not there are left out.

    `distribution` is for example `debian-13`. Raises ValueError for a line of another form.
    """
    for line in listed.splitlines():
        columns = line.split("\t")
        if len(columns) != len(COLUMNS):
            raise ValueError(f"{line!r} is no line of {len(COLUMNS)} columns")
        name, version, architecture, source, source_version, status = columns
        if status != _INSTALLED:
            continue
        upstream = f"{source}@{source_version}"
        qualifiers = urlencode({"arch": architecture, "distro": distribution, "upstream": upstream}, quote_via=quote)
        url = f"pkg:deb/debian/{quote(name)}@{quote(version)}?{qualifiers}"
        component: dict[str, object] = {
            "type": "library",
            "bom-ref": url,
            "name": name,
            "version": version,
            "purl": url,
        }
        if found := licences(copyright_of(name)):
            component["licenses"] = [{"license": {"name": each}} for each in found]
        yield component


def licences(text: str) -> list[str]:
    """The licences that a `copyright` of Debian names, each once, in the order of their names.

    Of a file that programs read (DEP 5), those of its fields; of another one, the standard texts to which it refers.
    """
    pattern = _LICENCE if _FORMAT.search(text) else _STANDARD
    return sorted(set(pattern.findall(text)))


def bill(version: str, described: Iterable[dict[str, object]]) -> str:
    """The bill of an image of a version, as JSON."""
    image = {"type": "container", "name": _NAME, "version": version}
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": image},
        "components": list(described),
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def listed() -> str:
    """What `dpkg-query` prints of this machine. Raises CalledProcessError."""
    form = "\\t".join(f"${{{each}}}" for each in COLUMNS) + "\\n"
    command = ["dpkg-query", "--show", "--showformat", form]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def copyright_of(name: str) -> str:
    """The `copyright` of an installed package; empty without one."""
    try:
        return (_DOCUMENTS / name / "copyright").read_text("utf-8", errors="replace")
    except FileNotFoundError:
        return ""


def main() -> int:
    """Prints the bill of this machine. 1 without a package."""
    release = platform.freedesktop_os_release()
    described = list(components(listed(), f"{release['ID']}-{release['VERSION_ID']}", copyright_of))
    sys.stdout.write(bill(importlib.metadata.version(_NAME), described))
    return int(not described)


if __name__ == "__main__":
    sys.exit(main())
