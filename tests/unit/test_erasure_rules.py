"""When a customer may be erased, and how the ids of destroyed keys outlive the database."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.region.v1.customer_service_pb2 import ProductStatus
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from region_node.lifecycle.erasure.remembered import ErasedKeyFile
from region_node.lifecycle.erasure.rules import require_erasable

ENDED, ACTIVE = ProductStatus.PRODUCT_STATUS_TERMINATED, ProductStatus.PRODUCT_STATUS_ACTIVE
IDS = [f"{each:024x}" for each in range(4)]


@given(
    lines=st.lists(st.sampled_from([ENDED, ACTIVE, ProductStatus.PRODUCT_STATUS_SUSPENDED]), max_size=3),
    orders=st.lists(st.sampled_from(["guangdong/counter/1"]), max_size=2),
    complaints=st.lists(st.sampled_from(["guangdong/20301210-1"]), max_size=1),
    balances=st.lists(st.sampled_from([0, 1, -1]), max_size=3),
    holds=st.lists(st.sampled_from(["case 4711"]), max_size=1),
)
def test_a_customer_is_erased_only_where_nothing_at_all_stands_against_it(
    lines: list[ProductStatus.ValueType],
    orders: list[str],
    complaints: list[str],
    balances: list[int],
    holds: list[str],
) -> None:
    stands_against = (
        (Reason.REASON_CUSTOMER_HAS_LINES, set(lines) - {ENDED}),
        (Reason.REASON_CUSTOMER_HAS_ORDERS, orders),
        (Reason.REASON_CUSTOMER_HAS_COMPLAINTS, complaints),
        (Reason.REASON_CUSTOMER_HAS_BALANCE, any(balances)),
        (Reason.REASON_CUSTOMER_ON_HOLD, holds),
    )
    expected = next((reason for reason, stands in stands_against if stands), None)
    if expected is None:
        require_erasable(lines, orders, complaints, balances, holds, "CNY")
        return
    with pytest.raises(Refused) as refused:
        require_erasable(lines, orders, complaints, balances, holds, "CNY")
    assert refused.value.reason == expected
    assert "{" not in str(refused.value)


def test_ids_are_on_disk_each_once_and_read_again(tmp_path: Path) -> None:
    file = tmp_path / "erased-keys"
    remembered = ErasedKeyFile(file)
    assert not remembered.known
    remembered.add(IDS[:2])
    remembered.add([*IDS[1:3], IDS[2]])
    assert file.read_text().split() == IDS[:3]
    assert set(ErasedKeyFile(file).known) == set(IDS[:3])
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_line_that_a_crash_cut_short_spoils_no_other(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "erased-keys"
    file.write_text(f"{IDS[0]}\n{IDS[1][:7]}")
    remembered = ErasedKeyFile(file)
    assert set(remembered.known) == {IDS[0]}
    assert "1 lines are no ids" in caplog.text
    remembered.add([IDS[1], IDS[2]])
    assert set(ErasedKeyFile(file).known) == set(IDS[:3])


def test_where_an_id_cannot_be_kept_nothing_may_be_destroyed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(file: int) -> None:
        raise OSError(5, "Input/output error")

    remembered = ErasedKeyFile(tmp_path / "erased-keys")
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fails)
        with pytest.raises(Refused) as refused:
            remembered.add(IDS[:1])
    assert refused.value.reason == Reason.REASON_STORE_UNAVAILABLE
    assert not remembered.known
    remembered.add(IDS[:1])
    assert set(ErasedKeyFile(tmp_path / "erased-keys").known) == set(IDS[:1])
