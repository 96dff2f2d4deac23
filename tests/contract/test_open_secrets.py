"""No program serves with a secret that others may read: it names the file, and the command that mends it."""

from pathlib import Path

import pytest

from tests.contract.programs import COORDINATOR, REGION_NODE, Installation

OPEN = ((REGION_NODE, "credentials.key"), (REGION_NODE, "signing.key"), (REGION_NODE, "keys"))


@pytest.mark.parametrize(("name", "setting"), [*OPEN, (COORDINATOR, "credentials.key")])
def test_a_program_with_a_key_that_others_may_read_does_not_start_until_it_is_closed(
    tmp_path: Path, name: str, setting: str
) -> None:
    installed = Installation.make(name, tmp_path)
    key = Path(installed.settings[setting])
    key.chmod(0o644)
    code, said = installed.serve_in_vain()
    assert code == 1
    assert f"{key}: others may read this secret (mode 644). Run `chmod 600 {key}`" in said
    key.chmod(0o600)
    assert installed.run("migrate").exit_code == 0
    with installed.serving():
        pass
