"""`coordinator federation`: two administrators sign one revision, one after the other or apart."""

import base64
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from coordinator.cli.federation.proposals import read_proposal, statement_of, write_proposal
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.security.private_keys import open_key
from gateway.security.signing import Signer
from tests.contract.small_federation import FEDERATION
from tests.contract.test_coordinator_cli import SHIPPED, Process, files_of_a_coordinator, serving_process
from tests.tokens import PIN, Token

NAMES = ("li", "wang")
CANNOT_REACH = 3
__all__ = ("files_of_a_coordinator",)


class Signing:
    """Administrators who sign with keys of their own, and the directory of the configuration that they want."""

    def __init__(self, directory: Path, process: Process) -> None:
        self.directory = directory
        self.process = process
        self.wanted = directory / "wanted"
        shutil.copytree(SHIPPED, self.wanted)
        keys = {name: self.done("create-key", f"{name}.key").splitlines()[0] for name in NAMES}
        listed = "".join(f"  - {{name: {name}, key: {key}}}\n" for name, key in keys.items())
        text = f"administration:\n  administrators:\n{listed}"
        (self.wanted / "administration.yaml").write_text(text)
        told = self.done("anchor", "wanted", "federation.anchor")
        assert f"the anchor of {FEDERATION} after revision 0, 2 of 2 administrators sign" in told
        text = process.settings.read_text()
        anchored = text.replace("allow_unsigned_configuration = true", 'federation_anchor = "federation.anchor"')
        process.settings.write_text(anchored)

    def path(self, word: str) -> str:
        """A file of the directory; any other word stays."""
        return str(self.directory / word) if word.endswith((".bin", ".key", ".anchor")) or word == "wanted" else word

    def run(self, *words: str) -> tuple[int, str]:
        """The exit and the output of `coordinator federation`; offline as long as no coordinator serves."""
        arguments = [self.path(word) for word in words]
        environment = self.process.environment if self.process.port_file.exists() else {}
        ended = self.process.command_with(environment, "federation", *arguments)
        return ended.exit_code, ended.output

    def done(self, *words: str) -> str:
        """The output of a command that succeeds."""
        code, output = self.run(*words)
        assert code == 0, output
        return output

    def refused(self, *words: str) -> str:
        """The output of a command that does not."""
        code, output = self.run(*words)
        assert code == 1, output
        return output

    def rename(self, name: str) -> None:
        """Changes the name of a region in the wanted configuration."""
        for file in self.wanted.glob("*.yaml"):
            text = file.read_text(encoding="utf-8")
            file.write_text(text.replace("zh_cn: 四川,", f"zh_cn: {name},"), encoding="utf-8")


@contextmanager
def serving(signing: Signing) -> Iterator[None]:
    """The coordinator, once it answers: on a busy machine the first handshake may be given up."""
    with serving_process(signing.process):
        while signing.process.command("regions", "list").exit_code == CANNOT_REACH:
            assert signing.process.port_file.exists(), "it has ended"
        yield


@pytest.fixture(name="signing")
def signing_with_a_coordinator(files: Process, tmp_path: Path) -> Signing:
    return Signing(tmp_path, files)


@pytest.mark.slow
def test_administrators_propose_sign_offline_and_apply(signing: Signing) -> None:
    with serving(signing):
        told = signing.done("propose", "wanted", "one.bin")
        assert "signed by 0 of 2: -" in told
        assert "administrators have signed" in signing.refused("apply", "wanted")
        assert "0 of the administrators have signed it" in signing.refused("apply", "one.bin")
    shown = signing.done("sign", "one.bin", "--key", "li.key", "--yes")
    assert "+ regions[sichuan].name.zh_cn: 四川" in shown
    assert "li has signed" in shown
    with serving(signing):
        assert "1 of the administrators have signed it" in signing.refused("apply", "one.bin")
        signing.done("sign", "one.bin", "--key", "wang.key", "--yes")
        assert "valid, not applied" in signing.done("apply", "one.bin", "--dry-run")
        assert "revision 1 is in force" in signing.done("apply", "one.bin")
        signing.rename("天府")
        signing.done("propose", "wanted", "two.bin")
        shutil.copy(signing.path("two.bin"), signing.path("copy.bin"))
        only = signing.done("sign", "two.bin", "--key", "li.key", "--yes")
        assert "~ regions[sichuan].name.zh_cn: 四川 → 天府" in only
        assert only.count("\n") == 3, "one change, what it is, and who has signed"
        signing.done("sign", "copy.bin", "--key", "wang.key", "--yes")
        assert "revision 2 is in force: 1 changes" in signing.done("apply", "two.bin", "copy.bin")
        assert "different proposals" in signing.refused("apply", "one.bin", "two.bin")
        signing.rename("蜀")
        both = ("apply", "wanted", "--key", "li.key", "--key", "wang.key")
        assert "revision 3 is in force" in signing.done(*both)
        file, warning = signing.wanted / "administration.yaml", "warning: administration.threshold: is 1"
        file.write_text(file.read_text().replace("administration:\n", "administration:\n  threshold: 1\n"))
        assert warning not in signing.done("show")
        assert warning in signing.done("propose", "wanted", "three.bin")
        signing.done(*both)
        assert warning in signing.done("show")
        assert warning in signing.done("anchor-in-force", "wanted", "next.anchor")


@pytest.mark.long("a process, and commands that read the whole shipped configuration")
def test_nobody_signs_what_is_shown_otherwise(signing: Signing) -> None:
    """A file that a false coordinator or a false proposer has made: what it shows is not what would be signed."""
    with serving(signing):
        signing.done("apply", "wanted", "--key", "li.key", "--key", "wang.key")
        signing.rename("天府")
        signing.done("propose", "wanted", "one.bin")
    path = Path(signing.path("one.bin"))
    right = read_proposal(path)
    others = {
        "not the one of its statement": ("configuration", Configuration(federation="x").SerializeToString()),
        "the configuration before": ("previous_configuration", right.configuration),
        "the statement before": ("previous_statement", b""),
    }
    for problem, (field, value) in others.items():
        false = type(right)()
        false.CopyFrom(right)
        setattr(false, field, value)
        write_proposal(path, false)
        assert "is no proposal" in (told := signing.refused("sign", "one.bin", "--key", "li.key", "--yes")), problem
        assert problem in told or field == "previous_statement"
    absurd, false = statement_of(right), type(right)()
    false.CopyFrom(right)
    absurd.end_time.seconds = 2**62
    false.revision.statement = absurd.SerializeToString()
    write_proposal(path, false)
    assert "out of range" in signing.refused("sign", "one.bin", "--key", "li.key", "--yes")
    write_proposal(path, right)
    signing.done("create-key", "other.key")
    assert "none of the administrators" in signing.refused("sign", "one.bin", "--key", "other.key", "--yes")
    assert "exists" in signing.refused("create-key", "li.key")
    path.write_bytes(b"\xff")
    assert "is no proposal" in signing.refused("sign", "one.bin", "--key", "li.key", "--yes")


@pytest.mark.slow
def test_an_administrator_signs_by_a_key_in_a_token_and_every_hindrance_has_its_name(
    signing: Signing, token: Token
) -> None:
    key = Path(signing.path("li.key"))
    public = Signer.load(key).public_key
    token.hold("li", open_key(key), key)
    assert signing.done("create-key", "li.key").splitlines()[0] == base64.b64encode(public).decode()
    with serving(signing):
        signing.done("propose", "wanted", "one.bin")
    sign = ("sign", "one.bin", "--key", "li.key", "--yes")
    token.pin_file.write_text("271828-18284\n")
    token.forget()
    assert f"{token.pin_file} has a wrong PIN" in (told := signing.refused(*sign))
    assert "271828" not in told
    token.pin_file.write_text(f"{PIN}\n")
    token.take_away()
    token.forget()
    assert "shows no such token" in signing.refused(*sign)
    token.bring_back()
    assert "li has signed" in signing.done(*sign)
    signing.done("sign", "one.bin", "--key", "wang.key", "--yes")
    with serving(signing):
        assert "revision 1 is in force" in signing.done("apply", "one.bin")


@pytest.mark.slow
def test_one_administrator_suspends_a_region_and_another_one_reinstates_it(signing: Signing) -> None:
    def regions(*words: str) -> tuple[int, str]:
        ended = signing.process.command("regions", *[signing.path(word) for word in words])
        return ended.exit_code, ended.output

    with serving(signing):
        signing.done("apply", "wanted", "--key", "li.key", "--key", "wang.key")
        signing.done("create-key", "other.key")
        suspend = ("suspend", "henan", "--note", "under suspicion")
        unsigned, stranger = regions(*suspend), regions(*suspend, "--key", "other.key")
        assert (unsigned[0], "SUSPENSION_UNSIGNED" in unsigned[1]) == (1, True)
        assert (stranger[0], "no administrator of revision 1 has signed it" in stranger[1]) == (1, True)
        code, told = regions(*suspend, "--key", "li.key")
        assert (code, "henan is suspended: under suspicion (by admin/li)" in told) == (0, True)
        assert "under suspicion (by admin/li)" in regions("list", "--json")[1]
    with serving(signing):
        assert "under suspicion (by admin/li)" in regions("list", "--json")[1], "after a restart"
        assert regions("reinstate", "henan")[0] == 1
        assert regions("reinstate", "henan", "--key", "wang.key")[0] == 0
        assert "under suspicion" not in regions("list", "--json")[1]


@pytest.mark.slow
def test_a_region_that_the_configuration_does_not_name_is_invited_with_a_proposal_that_names_it(
    signing: Signing,
) -> None:
    def invited(region: str, *words: str) -> tuple[int, str]:
        ended = signing.process.command("enrolments", "invite", region, *[signing.path(word) for word in words])
        return ended.exit_code, ended.output

    proposing = ("--propose", "wanted", "one.bin", "--key", "li.key")
    with serving(signing):
        for region, words in (("hunan", ()), ("nowhere", proposing)):
            code, told = invited(region, *words)
            assert (code, f"There is no region {region} in the configuration" in told) == (1, True), told
        assert "--key signs what --propose writes" in invited("hunan", *proposing[3:])[1]
        code, told = invited("hunan", *proposing)
        assert (code, "signed by 1 of 2: li" in told, "\nhunan." in told) == (0, True, True), told
        signing.done("sign", "one.bin", "--key", "wang.key", "--yes")
        assert "revision 1 is in force" in signing.done("apply", "one.bin")
        assert invited("hunan")[0] == 0
