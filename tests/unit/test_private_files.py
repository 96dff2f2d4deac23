"""Secrets in files that others may read: which modes count, and that each secret of the settings is looked at."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.settings import CoordinatorSettings
from gateway.security.private_files import FileReadableByOthers, is_private, require_private
from gateway.settings.entries import entries_of
from gateway.settings.page import load
from gateway.settings.showing import example_page
from region_node.node.settings import RegionSettings

OWN, ANOTHER = 10001, 20000
# Files and directories whose settings hold no secret: certificates, public keys, what a process writes.
OPEN = {
    "data",
    "scratch",
    "port_file",
    "web.port_file",
    "federation_anchor",
    "operators",
    "credentials.authority",
    "credentials.certificate",
    "etcd.credentials.authority",
    "etcd.credentials.certificate",
    "signing.certificate",
    "identity_provider.keys",
    "web.oauth.keys",
    "web.oidc.keys",
    "web.oidc.authority",
    "listeners.authority",
    "escalations.file",
    "escalations.webhook.authority",
}


def found(mode: int, owner: int, group: int) -> os.stat_result:
    return os.stat_result((0o100000 | mode, 0, 0, 1, owner, group, 0, 0, 0, 0))


@pytest.mark.parametrize(
    ("mode", "owner", "group", "private"),
    [
        (0o600, OWN, OWN, True),
        (0o400, ANOTHER, ANOTHER, True),
        (0o640, 0, OWN, True),  # a unit of systemd with a group of its own
        (0o440, 0, OWN, True),  # `fsGroup` of Kubernetes
        (0o440, 0, 0, True),  # LoadCredential of systemd: the mask of its access list looks like the group
        (0o640, OWN, OWN, False),
        (0o640, 0, ANOTHER, False),
        (0o660, 0, OWN, False),
        (0o644, 0, 0, False),
        (0o604, OWN, OWN, False),
        (0o601, OWN, OWN, False),
    ],
)
def test_a_secret_is_closed_to_all_but_its_owner_unless_root_hands_it_to_the_group_of_the_process(
    mode: int, owner: int, group: int, *, private: bool
) -> None:
    assert is_private(found(mode, owner, group), {OWN}) is private


@given(st.integers(0, 0o777), st.sampled_from((0, OWN)), st.sampled_from((0, OWN, ANOTHER)))
def test_nobody_else_ever_reads_or_writes_a_private_file(mode: int, owner: int, group: int) -> None:
    if is_private(found(mode, owner, group), {OWN}):
        assert mode & 0o037 == 0
        assert not mode & 0o040 or owner == 0


def test_the_pin_of_a_key_in_a_token_is_a_secret_too_and_what_is_missing_is_named_elsewhere(tmp_path: Path) -> None:
    key, pin = tmp_path / "signing.key", tmp_path / "pin"
    for path, text in ((pin, "1234"), (key, f"pkcs11:token=a;object=b?module-path=/l.so&pin-source=file:{pin}")):
        path.touch(mode=0o600)
        path.write_text(text)
    require_private([key, tmp_path / "missing"])
    pin.chmod(0o604)
    with pytest.raises(FileReadableByOthers) as refused:
        require_private([key])
    assert f"{pin}: others may read this secret (mode 604)" in str(refused.value)
    assert f"chmod 600 {pin}" in str(refused.value)
    assert "1234" not in str(refused.value)


@pytest.mark.parametrize("kind", [RegionSettings, CoordinatorSettings])
def test_each_file_of_the_settings_is_closed_to_others_or_named_as_open(
    kind: type[RegionSettings | CoordinatorSettings], tmp_path: Path
) -> None:
    lines = example_page(kind).splitlines()
    file = tmp_path / "everything.toml"
    file.write_text("\n".join(each if each.startswith("# ") else each.removeprefix("#") for each in lines), "utf-8")
    settings = load(kind, file)
    for setting in (setting for entry in entries_of(kind) for setting in entry.settings()):
        if setting.kind is Path:
            value: object = settings
            for name in setting.key.split("."):
                value = getattr(value, name)
            assert (value in settings.secrets) is (setting.key not in OPEN), setting.key
