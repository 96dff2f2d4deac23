"""A federation whose authority, one administrator and one region keep their keys in tokens (PKCS #11)."""

import logging
from pathlib import Path

import pytest

from gateway.api.region.v1 import order_service_pb2 as order_api
from gateway.api.region.v1.order_pb2 import OrderState
from gateway.security import tokens
from gateway.security.authority import AUTHORITY_KEY, Authority
from gateway.security.private_keys import open_key
from gateway.security.signing import Signer
from tests.administrators import Administrators
from tests.federation.certificates import FEDERATION, new_authority
from tests.federation.counter import Counter, seconds
from tests.federation.databases import Databases
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, Federation
from tests.tokens import PIN, Token

REGIONS = ("guangdong", "sichuan")
COMPLETED = OrderState.ORDER_STATE_COMPLETED


def on_tokens(directory: Path, databases: Databases, token: Token) -> Federation:
    """The federation, which does not run yet."""
    federation = Federation(directory / "federation", databases)
    people = Administrators(directory, FEDERATION, known={"li": Signer.load(token.ed25519("li"))})
    federation.administrators = people
    new_authority().save(directory / "authority")
    file = directory / "authority" / AUTHORITY_KEY
    token.hold("authority", open_key(file), file)
    federation.certificates.authority = Authority.load(file.parent)
    own = federation.certificates.signing("region/guangdong").key
    token.hold("guangdong", open_key(own), own)
    return federation


@pytest.mark.slow
async def test_a_region_whose_key_is_away_refuses_what_needs_it_loses_nothing_and_goes_on(
    tmp_path: Path,
    databases: Databases,
    token: Token,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The nodes that start have taken a revision and certificates that were signed in a token."""
    monkeypatch.setattr(tokens, "_PAUSE", 0.0)
    caplog.set_level(logging.INFO, "gateway.security.signing")
    federation = on_tokens(tmp_path, databases, token)
    guangdong, sichuan = (Counter(federation, region) for region in REGIONS)
    try:
        await federation.start(REGIONS)
        number, own = await sichuan.new_customer(balance=0), await guangdong.new_customer(balance=0)
        assert (await guangdong.order("PAY", number)).state == COMPLETED
        token.take_away()
        asked = order_api.SubmitOrderRequest(
            request_id=federation.next_id(), order=guangdong.request("PAY", number), wait=seconds(10.0)
        )
        told = await refusal(guangdong.orders.SubmitOrder(asked, timeout=CALL_SECONDS))
        assert told.reason == "SIGNING_KEY_UNAVAILABLE"
        assert (await guangdong.order("PAY", own)).state == COMPLETED, "what needs no signature goes on"
        foreign = await sichuan.submit(sichuan.request("PAY", own), wait=0.2)
        assert foreign.state != COMPLETED
        await federation.stop_node("guangdong")
        await federation.start_node("guangdong")
        assert (await guangdong.order("PAY", own)).state == COMPLETED, "a node starts without its token, too"
        token.bring_back()
        again = await guangdong.orders.SubmitOrder(asked, timeout=CALL_SECONDS)
        await guangdong.reaches(again.order.id, COMPLETED)
        await sichuan.reaches(foreign.id, COMPLETED)
        for counter, payer, expected in ((sichuan, number, 10_000), (guangdong, own, 15_000)):
            customer = await counter.read(payer)
            assert customer.billing_account.balance.minor_units == expected, "each payment of 50 yuan counts once"
    finally:
        await federation.stop()
    federation.give_back_databases()
    assert "nothing can be signed" in caplog.text
    assert "the signing key signs again" in caplog.text
    assert PIN not in caplog.text
