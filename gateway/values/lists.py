"""Lists for people in one line, as each language separates their items."""

from collections.abc import Iterable, Sequence

from gateway.api.types.v1.types_pb2 import LocalizedText


def joined(items: Iterable[str | LocalizedText]) -> LocalizedText:
    """Several words or names in one line; empty for none."""
    return _joined(items, ", ", "、")


def joined_clauses(items: Iterable[str | LocalizedText]) -> LocalizedText:
    """Several sentences, or lists themselves, in one line; empty for none."""
    return _joined(items, "; ", "；")


def either(words: Sequence[str]) -> LocalizedText:
    """Several words of which one is meant; empty for none."""
    english, chinese = ([*words[:-2], between.join(words[-2:])] for between in (" or ", "或"))
    return LocalizedText(zh_cn=joined(chinese).zh_cn, en=joined(english).en)


def one_of(known: Iterable[str]) -> tuple[str, str]:
    """The problem of a word that is none of the known ones, in English and in Chinese, as `invalid` takes it."""
    names = list(known)
    words = joined(names)
    return f"it is {words.en}" if len(names) == 1 else f"it is one of {words.en}", f"可用值为{words.zh_cn}"


def some_of(known: Iterable[str]) -> tuple[str, str]:
    """The problem of a list that is not of known words, or names none, in English and in Chinese."""
    words = joined(known)
    return f"names one or more of {words.en}", f"须含一项或多项：{words.zh_cn}"


def _joined(items: Iterable[str | LocalizedText], between: str, between_zh_cn: str) -> LocalizedText:
    told = [LocalizedText(zh_cn=each, en=each) if isinstance(each, str) else each for each in items]
    return LocalizedText(
        zh_cn=between_zh_cn.join(each.zh_cn for each in told), en=between.join(each.en for each in told)
    )
