"""The commands that restrict and erase customers, on a running node."""

import json

from tests.federation.commands import as_caller, confirmed_by_command, run_command
from tests.federation.counter import Counter
from tests.federation.refusals import refusal
from tests.federation.running import Federation
from tests.federation.test_erasure import customer_of, end_line


async def test_the_commands_restrict_release_and_erase_and_say_so(federation: Federation, sichuan: Counter) -> None:
    number = await sichuan.new_customer(balance=0)
    customer, who = customer_of(number), ("--staff-id", "4711")
    statement = federation.directory / "4711.statement"
    statement.write_text(federation.certificates.statement(sichuan.path, "4711"))

    async def run(name: str, *words: str) -> tuple[int, str]:
        environment = as_caller(federation, "sichuan", "operator/counter")
        environment["CROSSREGION_STAFF_PROOF"] = str(statement)
        command = ("region_node.cli.main", "customers", name, *words, *who)
        ended = await run_command(*command, environment=environment, typed="n\n")
        return ended.code, ended.out + ended.err

    reason = ("--reason", "consent-withdrawn")
    restricting = ("restrict", "--number", number, *reason)
    await confirmed_by_command(federation, "sichuan", await run(*restricting))
    code, said = await run(*restricting)
    assert (code, said) == (0, f"{customer} is restricted: stored, and nothing else.\n")
    assert (await refusal(sichuan.read(number))).reason == "CUSTOMER_RESTRICTED"
    code, said = await run("release", "--customer-id", customer)
    assert (code, said) == (0, f"{customer} is no longer restricted.\n")
    code, said = await run("erase", "--number", number, *reason, "--yes")
    assert (code, "CUSTOMER_HAS_LINES" in said) == (1, True)
    end_line(federation, number)
    code, said = await run("erase", "--number", number, *reason)
    assert (code, "for good?" in said) == (1, True), "nobody said yes"
    assert (await sichuan.read(number)).id == customer
    await confirmed_by_command(federation, "sichuan", await run("erase", "--number", number, *reason, "--yes"))
    for _ in range(2):
        code, said = await run("erase", "--number", number, *reason, "--yes", "--json")
        erasure = json.loads(said)["erasure"]
        assert (code, erasure["customer_id"], erasure["reason"]) == (0, customer, "ERASURE_REASON_CONSENT_WITHDRAWN")
    code, said = await run("erase", *reason, "--yes")
    assert (code, "--customer-id" in said) == (2, True)
    code, said = await run("release", "--number", number)
    assert (code, "CUSTOMER_ERASED" in said) == (1, True)
