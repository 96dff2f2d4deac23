"""`region-node sharing` against a federation that runs: a process of its own, as people at a counter use it."""

import asyncio
import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE, Popen

from tests.completing import completed_at_last
from tests.federation.commands import as_administrator, as_caller, confirmed_by_command, run_command
from tests.federation.counter import Counter, code_in
from tests.federation.running import Federation, until
from tests.federation.sharing_counter import FILE_NUMBER, SharingCounter
from tests.preloaded import Ended

STAFF = ("--staff-id", "4711")
_TIME = re.compile(r"\d \d\d:\d\d \+08:00")


def begun(command: Sequence[str], environment: Mapping[str, str]) -> "Popen[str]":
    """Starts a command. In a thread, as the event loop would fork a process that is full of gRPC's threads."""
    return Popen(command, env=environment, stdin=PIPE, stdout=PIPE, stderr=PIPE, text=True)


@dataclass(frozen=True)
class Shell:
    """A shell at Guangdong's counter."""

    federation: Federation
    name: str = "operator/counter"

    async def begin(self, *arguments: str, language: str = "en") -> "Popen[str]":
        """Starts the command."""
        environment = {**os.environ, **self._environment(language)}
        command = (sys.executable, "-m", "region_node.cli.main", "sharing", *arguments, *STAFF)
        return await asyncio.to_thread(begun, command, environment)

    async def run(self, *arguments: str, language: str = "en") -> Ended:
        """The command from its beginning to its end."""
        return await self.node("sharing", *arguments, *STAFF, language=language)

    async def node(self, *words: str, language: str = "en") -> Ended:
        """Any command of a node, by the federation's clock."""
        driven = ("deploy.local.driven", str(self.federation.clock_file), "region-node")
        return await run_command(*driven, *words, environment=self._environment(language))

    async def run_with_code(self, number: str, *arguments: str, language: str = "en") -> Ended:
        """The command, in which the customer says the code that comes."""
        before = len(self.codes(number))
        process = await self.begin(*arguments, language=language)

        async def has_come() -> bool:
            return len(self.codes(number)) > before or process.poll() is not None

        await until(has_come, "a code comes")
        return await self.ended(process, "".join(f"{code}\n" for code in self.codes(number)[before:]))

    def codes(self, number: str) -> list[str]:
        """The codes that have come to a telephone, among other texts."""
        return [code_in(each) for each in self.federation.texts(number) if each.kind == "one-time-code"]

    async def ended(self, process: "Popen[str]", said: str = "") -> Ended:
        """How it ends, where the customer says something."""
        out, err = await asyncio.to_thread(process.communicate, said or None)
        return Ended(process.returncode, out, err)

    def _environment(self, language: str) -> dict[str, str]:
        return as_caller(self.federation, "guangdong", self.name, language=language)


async def test_a_customer_consents_is_read_sees_it_and_withdraws(federation: Federation, sichuan: Counter) -> None:
    shell, number = Shell(federation), await sichuan.new_customer(name="张三丰")
    asking = ("read", number, "--purpose", "counter-service")
    masked = await shell.run(*asking)
    assert (masked.code, masked.err) == (0, "")
    assert "张" not in masked.out
    assert f"{number[:-8]}****{number[-4:]}" in masked.out
    given = await shell.run_with_code(
        number, "consent", number, "--reader", "guangdong", "--purpose", "counter-service", "--request-id", "by-shell"
    )
    assert (given.code, "Recorded as guangdong/counter/by-shell" in given.out) == (0, True), given
    assert f"{number[:-8]}****{number[-4:]}" in given.err
    assert "张三丰" in (await shell.run(*asking, "--field", "name")).out
    for language, words in {"en": ["active", "mobile"], "zh": ["正常", "移动"]}.items():
        shown = await shell.run(*asking, "--field", "status", "--field", "line-kind", language=language)
        assert [line.split()[-1] for line in shown.out.splitlines()[2:]] == words
    told = json.loads((await shell.run(*asking, "--field", "plan", "--json")).out)
    assert told["record"]["values"] == [{"field": "SHARED_FIELD_PLAN", "texts": ["sichuan-29"]}]
    grants = await shell.run_with_code(number, "grants", number)
    assert (grants.code, "in force" in grants.out, "verified: OTP" in grants.out) == (0, True, True), grants
    assert all(len(_TIME.findall(shown.out)) == 2 for shown in (given, grants)), "every time says its zone"
    withdrawn = await shell.run("withdraw", number, "--paper", "archive-1")
    assert withdrawn.code == 0
    assert "withdrawn" in (await shell.run(*asking)).out
    month = (await Counter(federation, "guangdong").bill(number)).month
    seen = await shell.run_with_code(number, "disclosures", number)
    assert seen.code == 0
    assert seen.out.count("counter/4711") == 8
    assert f"bill read: {month}" in seen.out
    chinese = await shell.run_with_code(number, "disclosures", number, language="zh")
    assert (chinese.code, f"查阅账单：{month}" in chinese.out) == (0, True), chinese.out


async def test_a_refusal_is_an_answer_in_the_language_of_the_command(federation: Federation, sichuan: Counter) -> None:
    shell, number = Shell(federation), await sichuan.new_customer()
    refused = await shell.run("read", number, "--purpose", "installation", language="zh")
    assert (refused.code, refused.err) == (1, "")
    assert "本地区尚无为该目的查阅该信息的授权或依据" in refused.out
    declined = await shell.run(
        "consent", number, "--reader", "guangdong", "--purpose", "installation", "--decline", "--paper", "archive-2"
    )
    assert declined.code == 0
    assert "SHARING_DECLINED" in (await shell.run("read", number, "--purpose", "installation", "--json")).out
    unknown = await shell.run("read", number, "--purpose", "curiosity")
    assert (unknown.code, "PURPOSE_UNKNOWN" in unknown.err) == (1, True)
    wrong = await shell.begin("grants", number, "--verify", "password")
    told = await shell.ended(wrong, "123456\n")
    assert (told.code, "VERIFICATION_FAILED" in told.err) == (1, True)


async def test_an_empty_paper_is_a_mistake_and_no_code_is_sent_instead(
    federation: Federation, sichuan: Counter
) -> None:
    shell, number = Shell(federation), await sichuan.new_customer()
    for command in (("consent", number, "--reader", "guangdong", "--purpose", "counter-service"), ("withdraw", number)):
        for paper in ("", " "):
            ended = await shell.run(*command, "--paper", paper)
            assert (ended.code, ended.out, "'--paper': It is empty." in ended.err) == (2, "", True), ended
    assert shell.codes(number) == []


async def test_a_consent_on_paper_names_the_paper_on_file_and_is_confirmed_at_home(
    federation: Federation, sichuan: Counter
) -> None:
    shell, number = Shell(federation), await sichuan.new_customer(name="张三丰")
    consent = ("consent", number, "--reader", "guangdong", "--purpose", "counter-service", "--paper")
    invented = await shell.run(*consent, "guangdong/counter/none")
    assert (invented.code, "DOCUMENT_NOT_ON_FILE" in invented.err) == (1, True), invented
    paper = await SharingCounter.of(federation, "guangdong").sign(number)
    assert (await shell.run(*consent, paper)).code == 0
    read = ("read", number, "--purpose", "counter-service", "--field", "name")
    assert "SHARING_NOT_UNTIL" in (await shell.run(*read)).out
    environment = as_caller(federation, "sichuan", "staff/wang")
    for code, told in ((0, "Recorded for:"), (1, "CONSENT_NOT_WAITING")):
        ended = await run_command("region_node.cli.main", "sharing", "confirm", number, environment=environment)
        assert (ended.code, told in ended.out + ended.err) == (code, True), ended
    assert "张三丰" in (await shell.run(*read)).out


async def test_a_duty_of_law_is_claimed_with_the_certificate_of_staff_and_the_customer_sees_its_file_number(
    federation: Federation, sichuan: Counter, tmp_path: Path
) -> None:
    shell, number = Shell(federation), await sichuan.new_customer(name="张三丰")
    asking = ("read", number, "--purpose", "fraud-investigation", "--basis", "legal-duty", "--reference", FILE_NUMBER)
    denied = await shell.run(*asking)
    assert (denied.code, "LEGAL_DUTY_BY_STAFF_ALONE" in denied.err) == (1, True), denied
    wang = Shell(federation, "staff/wang")
    waiting = await wang.run(*asking)
    await confirmed_by_command(federation, "guangdong", (waiting.code, waiting.err), "--number", number)
    alone = await wang.run(*asking)
    assert (alone.code, "LEGAL_DUTY_UNPROVEN" in alone.err) == (1, True), alone
    zhao, file = Shell(federation, "staff/zhao"), tmp_path / "zhao.statement"
    (approval,) = {*re.findall(r"approval-\d+", waiting.err)}
    making = ("approvals", "statement", approval, "--number", number)
    assert (await zhao.node("approvals", "statement", "approval-1", "--number", number)).code == 1
    made = await zhao.node(*making, "--out", str(file))
    assert made.code == 0, made
    staff = await wang.run(*asking, "--approver-statement", str(file))
    assert (staff.code, "张三丰" in staff.out) == (0, True), staff
    seen = await shell.run_with_code(number, "disclosures", number)
    assert f"legal duty: {FILE_NUMBER}" in seen.out
    assert "staff/wang " in seen.out


async def test_regions_and_purposes_are_completed_as_the_federation_has_them(federation: Federation) -> None:
    counter, root = as_caller(federation, "guangdong", "operator/counter"), as_administrator(federation)
    asked = ("sharing", "consent", "+8619851000001")
    assert await completed_at_last(counter, "region-node", *asked, "--purpose", "co") == [
        "complaint-handling",
        "contact-permission",
        "counter-service",
    ]
    assert await completed_at_last(counter, "region-node", *asked, "--reader", "sic") == ["sichuan"]
    assert await completed_at_last(root, "coordinator", "orders", "list", "--region", "sic") == ["sichuan"]
    assert await completed_at_last(root, "coordinator", "complaints", "list", "--category", "BILL_RO") == ["BILL_ROAM"]
