"""The classifier's proposals for a text: always the same, with the deciding words, and never a guess."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.federation.v1.configuration_pb2 import (
    COMPLAINT_SEVERITY_S1,
    CategoryWords,
    ComplaintWord,
    ComplaintWords,
)
from gateway.federation.catalogue import Federation
from gateway.federation.complaint_classifier import Candidate, Classifier
from gateway.federation.complaint_text import normal
from tests.shipped import shipped_configuration

SHIPPED = shipped_configuration()
FEDERATION = Federation(1, SHIPPED)
CLASSIFIER, AGAIN = Classifier(SHIPPED.complaint_words), Classifier(SHIPPED.complaint_words)
# A model so small that every figure can be reckoned by hand; doubt 1.0, spread 1.0.
SMALL = Classifier(
    ComplaintWords(
        doubt=10,
        spread=10,
        categories=[
            CategoryWords(
                category="SLOW",
                words=[ComplaintWord(text="网速慢", weight=3), ComplaintWord(text="slow*", weight=3)],
            ),
            CategoryWords(
                category="BILL",
                words=[
                    ComplaintWord(text="扣…钱", weight=2),
                    ComplaintWord(text="乱扣", weight=2),
                    ComplaintWord(text="bill", weight=1),
                ],
            ),
            CategoryWords(category="REFUND", words=[ComplaintWord(text="没退", weight=2)]),
        ],
    )
)
NOISE = ("今天", "天气", "小狗", "苹果", "banana", "tree", "window", "颜色", "2024", "yellow")


def proposed(text: str) -> str:
    return FEDERATION.propose_complaint_category(text, []).category


def words_in(text: str, classifier: Classifier = SMALL) -> dict[str, list[str]]:
    return {each.category: [word.text for word in each.words] for each in classifier.candidates(text)}


def of(code: str, candidates: list[Candidate]) -> float:
    return next((each.confidence for each in candidates if each.category == code), 0.0)


def test_the_words_that_decided_are_told_weightiest_first() -> None:
    assert words_in("扣了我的钱，bill不对") == {"BILL": ["扣…钱", "bill"]}
    assert words_in("天气很好") == {}


def test_confidence_is_the_share_of_what_was_said_against_doubt_and_the_other_categories() -> None:
    alone = SMALL.candidates("网速慢")[0].confidence
    assert alone == pytest.approx(2.718281828**3 / (2.718281828**3 + 2.718281828), rel=1e-6)
    assert SMALL.candidates("网速慢，又乱扣")[0].confidence < alone


@pytest.mark.parametrize(
    "text", ["网速慢", "网 速 慢", "网速慢！！！", "ＳＬＯＷ", "it is SLOWER", "我的网速慢", "wifi网速慢"]
)
def test_width_case_spaces_and_marks_do_not_matter(text: str) -> None:
    assert "SLOW" in words_in(text)


def test_an_english_word_is_not_found_inside_another() -> None:
    assert words_in("billboard, handbill") == {}


def test_a_gap_stays_within_its_clause() -> None:
    assert words_in("扣了，我的钱") == {}
    assert words_in("扣" + "了" * 17 + "钱") == {}


def test_what_is_said_over_and_over_counts_once() -> None:
    assert SMALL.candidates("网速慢。" * 50) == SMALL.candidates("网速慢")


def test_a_part_of_a_longer_phrase_counts_only_with_it() -> None:
    words = ComplaintWords(
        doubt=10,
        spread=10,
        categories=[
            CategoryWords(category="A", words=[ComplaintWord(text="退费", weight=3)]),
            CategoryWords(category="B", words=[ComplaintWord(text="销户退费", weight=3)]),
        ],
    )
    assert set(words_in("销户退费", Classifier(words))) == {"B"}
    assert set(words_in("销户退费，还有退费", Classifier(words))) == {"A", "B"}


@pytest.mark.parametrize(
    "text",
    [
        "没有乱扣",
        "不是网速慢",
        "网速慢没问题",
        "the net is not slow",
        "it isn't slow",
        "nothing to do with my bill",
        "my bill is fine",
        "I'm not complaining about the bill",
    ],
)
def test_what_is_denied_does_not_count(text: str) -> None:
    assert words_in(text) == {}


@pytest.mark.parametrize(
    "text",
    ["是不是乱扣", "不是说好不乱扣的吗", "不是账单的事，是乱扣", "网速慢没问题，但是乱扣", "slow is fine but the bill"],
)
def test_a_denial_ends_with_its_clause_and_a_rhetorical_question_is_none(text: str) -> None:
    assert "BILL" in words_in(text)


def test_a_phrase_may_hold_its_own_negation() -> None:
    assert words_in("钱一直没退") == {"REFUND": ["没退"]}


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("信号没问题，就是每个月乱扣费", "BILL_WRONG"),
        ("不是态度的问题，是一直没给我退款", "BILL_REFUND_LATE"),
        ("I don't mind the price, the internet is slow every night", "NET_SPEED"),
        ("我要携号转网，客服不给授权码", "SVC_PORTING"),
        ("异地办理补卡被拒绝，要求我回归属地", "SVC_XREGION_REFUSED"),
        ("有人冒名开户，怀疑诈骗", "FRAUD"),
        ("骚扰电话太多", "SPAM_CALL"),
        ("Somebody leaked my personal data", "PRIV_LEAK"),
        ("专线中断，要求按SLA赔付", "ENT_SLA"),
        ("我的bill被charged twice", "BILL_WRONG"),
    ],
)
def test_the_shipped_words_propose(text: str, category: str) -> None:
    assert proposed(text) == category


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "？！…",
        "12345",
        "你好",
        "hello there",
        "Связь плохая",
        "電波が悪い",
        "😡😡😡",
        "\x00\x1b[31m",
        "x" * 10_000,
    ],
)
def test_where_the_words_say_nothing_a_person_decides(text: str) -> None:
    assert proposed(text) == ""


@pytest.mark.parametrize(
    "text",
    [
        "网速慢，还乱收费",
        "信号差，客服态度恶劣",
        "the bill is wrong and the signal is weak",
        "手机被停机了，还一直有骚扰电话",
    ],
)
def test_where_two_categories_are_close_a_person_decides(text: str) -> None:
    found = FEDERATION.propose_complaint_category(text, [])
    assert found.category == ""
    assert len(found.candidates) >= 2


def test_a_region_may_ask_for_more_confidence_and_never_for_less() -> None:
    wanted = {"complaint-proposal-confidence": 99}
    configuration = type(SHIPPED)()
    configuration.CopyFrom(SHIPPED)
    for policy in configuration.policies:
        if policy.name in wanted:
            stricter = policy.regional.add(region="henan")
            stricter.figure.CopyFrom(policy.figure)
            stricter.figure.value = wanted[policy.name]
    federation = Federation(2, configuration)
    assert federation.propose_complaint_category("网速慢", ["guangdong"]).category == "NET_SPEED"
    unsure = federation.propose_complaint_category("断了", ["henan"])
    assert unsure.category == ""


LABELLED = [
    line.split("\t")[0]
    for line in (Path(__file__).parents[2] / "deploy/complaints/words.tsv").read_text("utf-8").splitlines()[1:]
]
TEXTS = (
    st.sampled_from(LABELLED) | st.text(max_size=300) | st.lists(st.sampled_from(LABELLED), max_size=4).map("，".join)
)


@given(TEXTS)
def test_the_same_text_gets_the_same_answer_and_confidences_are_shares(text: str) -> None:
    found = CLASSIFIER.candidates(text)
    assert found == AGAIN.candidates(text)
    assert all(0 < each.confidence < 1 and each.words for each in found)
    assert sum(each.confidence for each in found) < 1
    assert [each.confidence for each in found] == sorted((each.confidence for each in found), reverse=True)


@given(TEXTS, st.lists(st.sampled_from(NOISE), min_size=1, max_size=8))
def test_words_of_no_category_change_nothing(text: str, noise: list[str]) -> None:
    assert CLASSIFIER.candidates(f"{text}。{'，'.join(noise)}。") == CLASSIFIER.candidates(text)


@given(st.sampled_from(LABELLED), st.sampled_from(LABELLED))
def test_another_complaint_beside_it_never_raises_the_confidence_in_a_category_it_has_no_word_of(
    text: str, other: str
) -> None:
    before, beside = CLASSIFIER.candidates(text), CLASSIFIER.candidates(other)
    after = CLASSIFIER.candidates(f"{text}。{other}")
    for each in before:
        if not of(each.category, beside):
            assert of(each.category, after) <= each.confidence + 1e-12


@given(st.sampled_from(LABELLED), st.sampled_from(["a", "我", "。", " "]))
def test_padding_a_text_to_great_length_changes_nothing(text: str, padding: str) -> None:
    assert CLASSIFIER.candidates(f"{text}\n{padding * 5000}") == CLASSIFIER.candidates(text)


@pytest.mark.parametrize("text", ["扣钱" * 5000, "网速慢，" * 2500, "slow bill " * 1000, "没退" * 5000])
def test_a_text_made_to_be_costly_is_answered_as_a_short_one(text: str) -> None:
    assert SMALL.candidates(text[:10_000])
    assert CLASSIFIER.candidates(text[:10_000]) == CLASSIFIER.candidates(text[:1_000])


@given(st.text(max_size=2000))
def test_what_was_read_reads_the_same_again(text: str) -> None:
    clauses = normal(text)
    assert normal("。".join(clauses)) == clauses
    assert all(clause and clause == clause.strip() for clause in clauses)


def test_what_is_critical_is_proposed_by_two_indications_and_never_by_one() -> None:
    def category(text: str) -> str:
        return SMALL.propose(text, confidence=0.5, lead=0.5, critical={"SLOW"}).category

    assert category("网速慢") == ""
    assert category("网速慢，slow") == "SLOW"
    words = [ComplaintWord(text=text, weight=6) for text in ("leak*", "leaked", "my data")]
    leaks = Classifier(ComplaintWords(doubt=10, spread=10, categories=[CategoryWords(category="LEAK", words=words)]))
    for text, expected in (("leaked", ""), ("it was leaked, leaks!", ""), ("leaked my data", "LEAK")):
        found = leaks.propose(text, confidence=0.5, lead=0.5, critical={"LEAK"})
        assert (found.category, found.candidates[0].category) == (expected, "LEAK"), text


def test_rhetoric_is_one_indication_together_and_a_fact_beside_it_the_second() -> None:
    words = [ComplaintWord(text=text, weight=6, rhetoric=True) for text in ("thieves", "crook*", "骗子")]
    words += [ComplaintWord(text=text, weight=6) for text in ("identity stolen", "转走")]
    small = Classifier(ComplaintWords(doubt=10, spread=10, categories=[CategoryWords(category="F", words=words)]))
    expected = {
        "thieves, crooks, 骗子": "",
        "identity stolen": "",
        "thieves, identity stolen": "F",
        "骗子，转走": "F",
        "identity stolen, 转走": "F",
    }
    found = {text: small.propose(text, confidence=0.5, lead=0.5, critical={"F"}).category for text in expected}
    assert found == expected


def test_a_critical_category_is_not_proposed_for_what_is_said_in_anger() -> None:
    angry = (
        "This is fraud!",
        "fraud, FRAUD, you scammers, con artists",
        "scam company, crooks, you charged me twice",
        "你们这是诈骗！",
        "骗子公司，骗钱",
        "诈骗！网速慢成这样",
        "leaked",
        "FRAUD!!! FRAUD!!! this company is a total fraud and scam, you thieves stole my money with that bill",
        "Fraudsters! Total scam, crooks, thieves, con artists, rip off, I will call the police",
        "you tricked me, I was scammed, defrauded, you stole my money",
        "诈骗公司，骗子，电信诈骗，诈骗团伙，报警抓你们",
        "你们就是骗子，骗了我，骗我的钱，强盗",
    )
    for text in angry:
        assert proposed(text) not in ("FRAUD", "PRIV_LEAK"), text


def test_all_rhetoric_of_a_shipped_category_together_is_one_indication() -> None:
    critical = {each.code for each in SHIPPED.complaint_categories if each.severity == COMPLAINT_SEVERITY_S1}
    marked = [
        (each.category, word.text.replace("*", "").replace("…", ""))
        for each in SHIPPED.complaint_words.categories
        for word in each.words
        if word.rhetoric
    ]
    assert {category for category, _ in marked} <= critical
    assert "FRAUD" not in {proposed(f"{one}。{other}") for _, one in marked for _, other in marked[::7]}
    assert proposed("。".join(text for _, text in marked)) == ""


def test_anger_about_a_bill_is_about_the_bill() -> None:
    angry = (
        "this is fraud, you charged me twice, give me my money back",
        "crooks, you overcharged me, I want my money back",
        "你们这是诈骗，多收了我的钱，还我钱",
        "你们是骗子，重复扣费，把钱还给我",
    )
    assert {text: proposed(text) for text in angry} == dict.fromkeys(angry, "BILL_WRONG")


def test_a_critical_category_is_proposed_where_something_has_happened() -> None:
    happened = {
        "fraud, unauthorised transactions of 3,000 on my account": "FRAUD",
        "I was scammed, the caller emptied my bank account": "FRAUD",
        "被冒充客服的人骗走两万块": "FRAUD",
        "my identity was stolen and used for fraud with a sim card": "FRAUD",
        "My identity was stolen, two lines were opened with it": "FRAUD",
        "身份被盗了，有人拿我的身份证办卡去诈骗别人": "FRAUD",
        "我被骗子骗走三万块": "FRAUD",
        "somebody leaked my data, strangers know my address": "PRIV_LEAK",
        "我的个人信息被你们泄露了": "PRIV_LEAK",
    }
    for text, category in happened.items():
        assert proposed(text) == category, text


def test_what_people_write_is_proposed_as_they_write_it() -> None:
    written = {
        "Your company has been over charging us for months": "BILL_WRONG",
        "Speeds slower than advertised": "NET_SPEED",
        "the network was down for two days": "NET_OUTAGE",
    }
    for text, category in written.items():
        assert proposed(text) == category, text
