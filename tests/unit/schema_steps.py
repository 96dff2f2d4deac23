"""What a schema file does to code of the version before: its statements, each told as expanding or not."""

import re

_COMMENTS = re.compile(r"--[^\n]*")
_BODIES = re.compile(r"\$\$.*?\$\$", re.DOTALL)
_NAMED = r"(?:IF NOT EXISTS\s+)?(\w+)"
_NEW_TABLE = re.compile(rf"CREATE TABLE {_NAMED}", re.IGNORECASE)
_ON = re.compile(r"\bON\s+(\w+)", re.IGNORECASE)
_ADDED = re.compile(r"ALTER TABLE \w+ ADD COLUMN (?P<column>.*)", re.IGNORECASE | re.DOTALL)
_TIGHTENED = re.compile(r"\b(?:CHECK|UNIQUE|REFERENCES|PRIMARY KEY)\b", re.IGNORECASE)


def contractions(sql: str) -> list[str]:
    """The statements of a schema file on which code of the version before may fail; all that are not known to expand.

    New tables, columns that may be left out, indexes and rows expand. So do triggers and unique indexes on new tables.
    """
    statements = _statements(sql)
    new = {found[1] for each in statements if (found := _NEW_TABLE.match(each))}
    return [each for each in statements if not _expands(each, new)]


def _statements(sql: str) -> list[str]:
    text = _COMMENTS.sub("", sql)
    found, statement, depth = list[str](), "", 0
    for piece in re.split(r"(;|\$\$|\bBEGIN\b|\bEND\b)", text, flags=re.IGNORECASE):
        depth += {"BEGIN": 1, "END": -1}.get(piece.upper(), 0)
        depth = 1 - depth if piece == "$$" else depth
        if piece == ";" and not depth:
            found.append(" ".join(statement.split()))
            statement = ""
        else:
            statement += piece
    return [*found, *([" ".join(statement.split())] if statement.strip() else [])]


def _expands(statement: str, new: set[str]) -> bool:
    words = statement.upper()
    if words.startswith(("CREATE TABLE ", "CREATE INDEX ", "INSERT INTO ", "CREATE FUNCTION ")):
        return True
    if words.startswith(("CREATE UNIQUE INDEX ", "CREATE TRIGGER ")):
        table = _ON.search(_BODIES.sub("", statement))
        return table is not None and table[1] in new
    if (added := _ADDED.fullmatch(statement)) is None:
        return False
    column = added["column"]
    can_be_left_out = "NOT NULL" not in column.upper() or "DEFAULT" in column.upper()
    return can_be_left_out and not _TIGHTENED.search(column)
