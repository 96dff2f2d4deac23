"""The bill of materials of an image names its Debian packages with their licences."""

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from deploy.image.debian_packages import bill, components, copyright_of, licences, listed
from deploy.release.licences import licensed

READABLE = """Format: copyright-format/1.0

Files: *
Copyright: 2020 Somebody
License: GPL-2+ or Expat

Files: debian/*
License: GPL-2+ or Expat

License: Expat
 See /usr/share/common-licenses/GPL-3 for another one.
"""
here = pytest.mark.skipif(not Path("/usr/bin/dpkg-query").exists(), reason="this machine has no dpkg")


def test_a_package_is_a_component_with_its_source_and_its_licences() -> None:
    lines = "libc6\t2.41-12+b1\tamd64\tglibc\t1:2.41-12\tinstalled\nold\t1\tall\told\t1\tconfig-files\n"
    (found,) = components(lines, "debian-13", {"libc6": READABLE}.__getitem__)
    assert found["purl"] == found["bom-ref"]
    assert found["purl"] == (
        "pkg:deb/debian/libc6@2.41-12%2Bb1?arch=amd64&distro=debian-13&upstream=glibc%401%3A2.41-12"
    )
    (read,) = licensed(json.loads(bill("1.0", [found])))
    assert (read.name, read.version, read.licences) == ("libc6", "2.41-12+b1", ("Expat", "GPL-2+ or Expat"))


def test_a_copyright_for_people_names_the_standard_texts_to_which_it_refers() -> None:
    text = "It is free.\nSee /usr/share/common-licenses/LGPL-2.1, and `/usr/share/common-licenses/GPL-2'.\n"
    assert licences(text) == ["GPL-2", "LGPL-2.1"]
    assert licences("License: none of the fields that programs read\n") == []
    (found,) = components("a\t1\tall\ta\t1\tinstalled\n", "debian-13", lambda name: "")
    assert "licenses" not in found


def test_a_line_of_another_form_is_refused() -> None:
    with pytest.raises(ValueError, match="no line of 6 columns"):
        list(components("a\t1\n", "debian-13", lambda name: ""))


@here
def test_the_bill_of_this_machine_names_every_installed_package_and_is_the_same_each_time() -> None:
    command = [sys.executable, "-m", "deploy.image.debian_packages"]
    first, second = (subprocess.run(command, check=True, capture_output=True, text=True).stdout for _ in range(2))
    assert first == second
    read = json.loads(first)
    assert (read["bomFormat"], read["metadata"]["component"]["version"]) == ("CycloneDX", version("crossregion"))
    named = {(each.name, each.version): each.licences for each in licensed(read)}
    asked = subprocess.run(["dpkg", "--list"], check=True, capture_output=True, text=True, env={"COLUMNS": "500"})
    rows = [line.split() for line in asked.stdout.splitlines() if line.startswith("ii")]
    assert set(named) == {(row[1].partition(":")[0], row[2]) for row in rows}
    assert len({each["bom-ref"] for each in read["components"]}) == len(read["components"])
    assert sum(map(bool, named.values())) > len(named) / 2, "most packages tell their licences"


@here
def test_the_licences_of_an_essential_package_are_read_from_its_copyright() -> None:
    named = {each["name"]: each for each in components(listed(), "debian-13", copyright_of)}
    assert "GPL-2+" in str(named["dpkg"]["licenses"])
