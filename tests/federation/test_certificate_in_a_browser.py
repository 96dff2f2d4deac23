"""People at a console with a certificate in the browser's own store, which the browser shows by itself."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.security.tls import Credentials
from tests.chromium import KEEPER, OwnCertificate, Tab, browser_tab
from tests.federation.certificates import Certificates
from tests.federation.running import Federation
from tests.federation.test_console_in_a_browser import ADMIN, IN_A_BROWSER, LANGUAGES, STAFF, WIDTHS, photograph

pytestmark = [
    *IN_A_BROWSER,
    pytest.mark.skipif(
        KEEPER is None and not os.environ.get("CI"), reason="pk12util is not installed: Debian's package libnss3-tools"
    ),
]
OF_HENAN = "region/henan/staff/reviewer-1"
FIRST_PAGES = {"guangdong": (STAFF, "/console/work"), "coordinator": (ADMIN, "/console/board")}
TOLD = {
    ("guangdong", "en"): [
        "Not permitted",
        f"{OF_HENAN} may not call /console.",
        "PERMISSION_DENIED",
        "Staff of Guangdong get in here, by a certificate of their own.",
        "If you have it, close the browser, open it again, and choose that certificate.",
        "If you have none, ask those who issue the certificates of Guangdong.",
    ],
    ("sichuan", "en"): [
        "Not permitted",
        f"{OF_HENAN} may not call /console.",
        "PERMISSION_DENIED",
        "Staff of Sichuan get in here, by a certificate of their own.",
        "Close and reopen the browser, and choose your certificate, or none to sign in by your identity provider.",
        "If you have none, ask those who issue the certificates of Sichuan.",
    ],
    ("coordinator", "zh"): [
        "无权访问",
        f"{OF_HENAN}无权调用/console。",
        "PERMISSION_DENIED",
        "此处仅限管理员凭本人证书进入。",
        "如您持有该证书，请关闭浏览器，重新打开后选择该证书。",
        "如没有，请向管理员证书的签发人员申请。",
    ],
}


@asynccontextmanager
async def arrived(federation: Federation, member: str, own: Credentials, language: str = "en") -> AsyncIterator[Tab]:
    """The first page of the console of a member in a browser that has a certificate."""
    port_file = federation.web[member].port_file
    assert port_file is not None
    origin = f"https://127.0.0.1:{int(port_file.read_text())}"
    async with browser_tab(LANGUAGES[language], OwnCertificate(own, origin)) as tab:
        await tab.resize(WIDTHS[0])
        await tab.go(f"{origin}/console")
        yield tab


async def lines_of(tab: Tab) -> list[str]:
    """The lines that a page shows."""
    text = str(await tab.evaluate("(document.querySelector('main') ?? document.body).innerText"))
    return [line for each in text.splitlines() if (line := each.strip())]


@pytest.mark.parametrize("member", FIRST_PAGES)
async def test_a_person_whose_browser_shows_the_certificate_gets_in(federation: Federation, member: str) -> None:
    person, first = FIRST_PAGES[member]
    async with arrived(federation, member, federation.certificates.credentials(person)) as tab:
        await tab.click("main button")
        assert await tab.evaluate("location.pathname") == first
        assert not [each for each in tab.problems if "404" not in each]


@pytest.mark.parametrize(("member", "language"), TOLD)
async def test_a_person_with_the_certificate_of_another_region_is_told_whose_certificate_gets_in_and_how(
    federation: Federation, member: str, language: str
) -> None:
    own = federation.certificates.credentials(OF_HENAN)
    async with arrived(federation, member, own, language) as tab:
        await photograph(tab, f"{member}-turned-away-{language}")
        assert await lines_of(tab) == TOLD[member, language]
        assert await tab.evaluate("document.querySelector('main :is(button, a), nav a')") is None


async def test_a_browser_with_the_certificate_of_a_foreign_authority_says_that_it_is_not_accepted(
    federation: Federation, tmp_path: Path
) -> None:
    foreign = Certificates(tmp_path).credentials(STAFF)
    async with arrived(federation, "guangdong", foreign) as tab:
        told = await lines_of(tab)
        assert "ERR_BAD_SSL_CLIENT_AUTH_CERT" in told, told
