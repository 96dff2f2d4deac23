"""Masked personal data: the forms of the trade, and nothing that tells more."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wording.masking import (
    masked_address,
    masked_email,
    masked_name,
    masked_number,
)


@pytest.mark.parametrize(
    ("mask", "shown", "masked"),
    [
        (masked_number, "13800005678", "138****5678"),
        (masked_number, "+8613800005678", "+86138****5678"),
        (masked_number, "110", "****"),
        (masked_name, "张三", "张*"),
        (masked_name, "张三丰", "张*"),
        (masked_name, "欧阳娜娜", "欧阳*"),
        (masked_name, "欧阳", "欧*"),
        (masked_name, "Zhang Wei", "Z*"),
        (masked_name, "", ""),
        (masked_email, "zhang@qq.com", "z***@qq.com"),
        (masked_email, "nobody", "***"),
        (masked_email, "", ""),
        (masked_address, "广东省深圳市南山区科技园路1号", "广东省深圳市南山区***"),
        (masked_address, "北京市朝阳区建国路8号", "北京市朝阳区***"),
        (masked_address, "1 Main Street", "1 M***"),
        (masked_address, "", ""),
    ],
)
def test_personal_data_is_shown_in_the_forms_of_the_trade(mask: object, shown: str, masked: str) -> None:
    assert callable(mask)
    assert mask(shown) == masked


@given(st.text(alphabet="0123456789", min_size=11, max_size=15))
def test_a_masked_number_hides_four_digits_and_shows_no_others_twice(number: str) -> None:
    masked = masked_number(number)
    assert len(masked) == len(number)
    assert masked.count("*") == 4


@given(st.text(min_size=1, max_size=40))
def test_a_masked_name_never_tells_how_long_it_is(name: str) -> None:
    assert len(masked_name(name)) <= 3
