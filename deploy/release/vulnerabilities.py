"""Known vulnerabilities of locked packages, as far as a service of them answers.

    python -m deploy.release.vulnerabilities PIP_AUDIT LOCK     fail, naming them, if there are any

pip-audit calls a package that its service does not know a success. Such packages are counted here.
"""

import json
import subprocess
import sys
from collections.abc import Mapping

_SECONDS = 300


def findings(answer: Mapping[str, object]) -> tuple[list[str], int, int]:
    """The vulnerabilities as lines, the number of packages without an answer, and the number of all packages.

    `answer` is pip-audit's JSON. Raises ValueError for a document of another form.
    """
    packages = answer.get("dependencies")
    if not isinstance(packages, list):
        raise ValueError("pip-audit has told of no packages")
    lines = [
        f"{package['name']} {package['version']}: {found['id']}, mended in {', '.join(found['fix_versions']) or 'none'}"
        for package in packages
        for found in package.get("vulns", [])
    ]
    return lines, sum("skip_reason" in package for package in packages), len(packages)


def main(arguments: list[str]) -> int:
    """Asks the service about the packages of a lock. 1 if one of them is vulnerable."""
    program, lock = arguments
    command = [program, "--requirement", lock, "--require-hashes", "--disable-pip", "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    try:
        found, unanswered, all_of_them = findings(json.loads(done.stdout))
    except ValueError:
        print("release: no service of vulnerabilities answers; nothing is known of any package")
        return 0
    for line in found:
        print(line, file=sys.stderr)
    print(f"release: {len(found)} known vulnerabilities; no answer for {unanswered} of {all_of_them} packages")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
