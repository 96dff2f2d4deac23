"""Files of orders are read as they are written, line by line, and give every line an id of its own."""

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.api.region.v1.order_pb2 import OrderRequest
from gateway.api.types.v1.types_pb2 import Applicant, Channel, Requester
from region_node.cli.orders.order_file import Format, Line, OrderFile, OrderFileUnusable, Reading

REQUESTER = Requester(staff_id="4711", channel=Channel.CHANNEL_COUNTER)
HASH = "ab" * 32


def read(path: Path, form: Format, encoding: str = "utf-8-sig") -> tuple[OrderFile, list[Line]]:
    """A file and its lines, which are as many as it says."""
    file = OrderFile(path, Reading(form, encoding, REQUESTER))
    lines = list(file.lines())
    assert file.count == len(lines)
    return file, lines


def of_json(tmp_path: Path, *texts: str) -> tuple[OrderFile, list[Line]]:
    """JSON Lines."""
    path = tmp_path / "orders.jsonl"
    path.write_text("".join(f"{text}\n" for text in texts), "utf-8")
    return read(path, Format.JSONL)


def of_csv(tmp_path: Path, text: str, encoding: str = "utf-8") -> tuple[OrderFile, list[Line]]:
    """CSV."""
    path = tmp_path / "orders.csv"
    path.write_bytes(text.encode(encoding))
    return read(path, Format.CSV, "utf-8-sig" if encoding == "utf-8" else encoding)


def test_a_line_of_json_is_an_order_request_with_the_names_of_the_contract(tmp_path: Path) -> None:
    _, (line,) = of_json(
        tmp_path,
        '{"business": "PAY", "number": "+8613800000000", "applicant": "APPLICANT_AGENT",'
        ' "characteristics": {"amount": "5000"}, "requester": {"staff_id": "8", "channel": "CHANNEL_APP"}}',
    )
    assert line.order == OrderRequest(
        business="PAY",
        number="+8613800000000",
        applicant=Applicant.APPLICANT_AGENT,
        characteristics={"amount": "5000"},
        requester=Requester(staff_id="8", channel=Channel.CHANNEL_APP),
    )


def test_the_request_id_comes_from_the_files_content_and_the_lines_number_unless_the_line_has_one(
    tmp_path: Path,
) -> None:
    texts = ['{"business": "PAY"}', "", '{"business": "PAY"}', '{"business": "PAY", "request_id": "mine"}']
    file, lines = of_json(tmp_path, *texts)
    digest = hashlib.sha256((tmp_path / "orders.jsonl").read_bytes()).hexdigest()
    assert file.sha256 == digest
    assert [line.request_id for line in lines] == [f"{digest[:24]}-1", f"{digest[:24]}-3", "mine"]
    assert lines == of_json(tmp_path, *texts)[1]
    assert of_json(tmp_path, *texts, '{"business": "PAY"}')[1][0].request_id != lines[0].request_id


def test_a_request_id_that_the_file_used_before_is_a_problem_of_the_later_line(tmp_path: Path) -> None:
    _, lines = of_json(tmp_path, *['{"business": "PAY", "request_id": "same"}'] * 2)
    assert lines[0].problem is None
    assert lines[1].order is None
    assert lines[1].problem is not None
    assert "line 1" in lines[1].problem.en
    assert "1" in lines[1].problem.zh_cn


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"nosuch": 1}',
        '{"applicant": "NOBODY"}',
        '{"applicant": 1e400}',
        '{"request_id": 7}',
        '"x"',
        '{"a":' * 100_000,
        '{"\\ud800": 1}',
    ],
    ids=lambda text: text[:20],
)
def test_a_line_that_is_no_order_request_is_told_and_stops_nothing(tmp_path: Path, text: str) -> None:
    _, (bad, good) = of_json(tmp_path, text, '{"business": "PAY"}')
    assert bad.order is None
    assert bad.problem is not None
    assert bad.problem.en
    assert bad.problem.zh_cn
    assert good.order == OrderRequest(business="PAY", requester=REQUESTER)


def test_a_row_of_csv_is_the_order_that_its_columns_say(tmp_path: Path) -> None:
    text = (
        "business,number,applicant,characteristics.reason,documents.ID_ORIG.verifier,documents.ID_ORIG.verify_time,"
        "documents.ID_ORIG.keyed_hash,documents.POA.verifier,requester.staff_id,requester.channel\r\n"
        f'SUSPEND,13800000000,holder,"abroad,\r\nfor long",4711,2026-11-24T08:00:00+08:00,{HASH},,8,web\r\n'
        "PAY,13800000001,APPLICANT_AGENT,,,,,,,\r\n"
    )
    _, (first, second) = of_csv(tmp_path, text)
    assert (first.number, second.number) == (2, 4), "a row begins where its first cell does"
    assert first.order is not None
    (document,) = first.order.documents
    assert (document.code, document.verifier, document.keyed_hash) == ("ID_ORIG", "4711", bytes.fromhex(HASH))
    assert document.verify_time.ToJsonString() == "2026-11-24T00:00:00Z"
    assert dict(first.order.characteristics) == {"reason": "abroad,\r\nfor long"}
    assert first.order.requester == Requester(staff_id="8", channel=Channel.CHANNEL_WEB)
    assert second.order == OrderRequest(
        business="PAY", number="13800000001", applicant=Applicant.APPLICANT_AGENT, requester=REQUESTER
    )


def test_csv_of_a_chinese_spreadsheet_is_read_in_its_encoding(tmp_path: Path) -> None:
    _, (line,) = of_csv(tmp_path, "business,characteristics.reason\nSUSPEND,出国\n", "gb18030")
    assert line.order is not None
    assert line.order.characteristics["reason"] == "出国"


@pytest.mark.parametrize("row", ["PAY", "PAY,holder,more", "PAY,nobody"])
def test_a_row_that_does_not_fit_is_told_and_stops_nothing(tmp_path: Path, row: str) -> None:
    _, (bad, good) = of_csv(tmp_path, f"business,applicant\n{row}\nPAY,holder\n")
    assert bad.problem is not None
    assert good.order is not None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("business,surname\nPAY,Li\n", "surname"),
        ("number\n1\n", "no column business"),
        ("", "no column business"),
        ("business,business\nPAY,PAY\n", "twice"),
        ('business\n"PAY\n', "unexpected end"),
    ],
)
def test_a_file_that_is_none_of_orders_is_refused_as_a_whole(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(OrderFileUnusable, match=told):
        of_csv(tmp_path, text)


def test_a_file_in_another_encoding_is_refused_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_bytes("business,characteristics.reason\nSUSPEND,出国\n".encode("gb18030"))
    for encoding in ("utf-8", "no-such-encoding"):
        with pytest.raises(OrderFileUnusable, match=r"orders\.csv"):
            OrderFile(path, Reading(Format.CSV, encoding, REQUESTER))


texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12).filter(
    lambda text: text == text.strip()
)


@given(st.lists(st.tuples(texts, st.dictionaries(texts, texts, max_size=3)), max_size=8))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_written_as_json_is_read_as_it_was(tmp_path: Path, told: list[tuple[str, dict[str, str]]]) -> None:
    rows = [json.dumps({"business": business, "characteristics": values}) for business, values in told]
    _, lines = of_json(tmp_path, *rows)
    orders = [line.order for line in lines]
    assert orders == [
        OrderRequest(business=business, characteristics=values, requester=REQUESTER) for business, values in told
    ]
