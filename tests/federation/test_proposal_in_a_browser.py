"""The page of a proposal in a real browser: an administrator chooses a file, looks at it, and puts it in force."""

from pathlib import Path

import pytest

from tests.federation.databases import Databases
from tests.federation.test_console_in_a_browser import (
    ADMIN,
    IN_A_BROWSER,
    LANGUAGES,
    WIDTHS,
    found_barriers,
    photograph,
    signed_in,
)
from tests.federation.test_coordinator_console_proposal import proposal, signing

pytestmark = list(IN_A_BROWSER)


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_proposal_is_chosen_looked_at_and_put_in_force_on_pages_that_fit_and_have_no_barrier(
    databases: Databases, tmp_path: Path, language: str
) -> None:
    file = tmp_path / "revision.bin"
    async with (
        signing(tmp_path, databases) as (federation, _),
        signed_in(federation, language, ADMIN) as (tab, console),
    ):
        for name, signers in (("proposal-of-one", ["li"]), ("proposal", ["li", "wang"])):
            file.write_bytes(await proposal(federation, "Zhongyuan", signers))
            await tab.go(f"{console}/configuration/proposal")
            await tab.attach("input[type=file]", file)
            await tab.click("form[enctype] button")
            for width in WIDTHS:
                await tab.resize(width)
                await photograph(tab, f"{name}-{language}-{width}")
                assert await tab.evaluate("document.documentElement.scrollWidth") == width, f"{name} at {width}"
            for scheme in ("dark", "light"):
                assert not await found_barriers(tab, scheme), (name, scheme)
        await tab.click("section[aria-labelledby=apply] button")
        assert "revisions" in str(await tab.evaluate("location.pathname"))
        names = {each.id: each.name.en for each in (await federation.configuration()).regions}
        assert names["henan"] == "Zhongyuan"
        unexpected = [each for each in tab.problems if "404" not in each]  # the picture of the site, which has none
        assert not unexpected, unexpected
