"""Commands speak English or Chinese, as asked, and complete in the shell."""

import ast
import gettext
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from coordinator.cli.main import main as coordinator
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, Unfit
from gateway.wording.help_wrapping import columns, folded
from gateway.wording.languages import (
    LANGUAGES,
    VARIABLE,
    SpeakingGroup,
    asked_language,
    clauses,
    commands,
    enumerated,
    for_reader,
    help_texts,
    helped,
    refusal,
    speaking,
)
from gateway.wording.words import word
from region_node.cli.main import main as region_node

PROGRAMS = {"region-node": region_node, "coordinator": coordinator}


def said(program: str, *arguments: str) -> str:
    """The output of a program."""
    return CliRunner().invoke(PROGRAMS[program], list(arguments)).output


def holds_chinese(text: str) -> bool:
    return any("\u4e00" <= character <= "\u9fff" for character in text)


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_is_chinese_where_that_is_asked_for_and_english_again_after(program: str) -> None:
    english = said(program, "--help")
    assert holds_chinese(said(program, "--lang", "zh", "--help"))
    assert holds_chinese(said(program, "--help", "--lang=zh"))
    assert said(program, "--help") == english
    assert not holds_chinese(english)


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_is_english_although_chinese_was_spoken_first(program: str) -> None:
    assert holds_chinese(said(program, "config", "--help", "--lang", "zh"))
    assert not holds_chinese(said(program, "config", "--help"))


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_is_as_it_is_written_once_all_commands_are_there_whatever_was_spoken(program: str) -> None:
    written = PROGRAMS[program].whole().help
    assert not holds_chinese(said(program, "--help"))
    assert holds_chinese(said(program, "--help", "--lang", "zh"))
    assert PROGRAMS[program].whole().help == written


@pytest.mark.parametrize(
    ("program", "arguments", "missing"),
    [
        (
            "region-node",
            "customers hold --node n:1",
            ["CUSTOMER", "--credentials", "--federation", "--region", "--reference"],
        ),
        (
            "coordinator",
            "complaints assign",
            ["TICKET_ID", "--coordinator", "--credentials", "--federation", "--department"],
        ),
    ],
)
def test_all_that_is_missing_of_a_command_is_told_at_once(program: str, arguments: str, missing: list[str]) -> None:
    told = said(program, *arguments.split())
    line = next(line for line in told.splitlines() if "Missing" in line)
    assert [name for name in missing if name not in line] == []
    assert "--node" not in line
    assert "缺少：" in said(program, *arguments.split(), "--lang", "zh")
    assert "Missing" not in said(program, *arguments.split(), "--help"), "help is given all the same"


def test_the_environment_asks_for_a_language_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "zh")
    assert holds_chinese(said("region-node", "call", "--help"))
    assert not holds_chinese(said("region-node", "migrate", "--help", "--lang", "en"))


def test_wrong_usage_is_told_in_the_language_that_was_asked_for() -> None:
    assert "没有选项" in said("coordinator", "regions", "list", "--lang", "zh", "--jjson")


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_mistyped_command_or_option_is_told_with_the_nearest(program: str) -> None:
    missed = []

    def expect(words: Sequence[str], wanted: str) -> None:
        told = said(program, *words)
        if wanted not in told.partition("Did you mean ")[2]:
            missed.append(f"{' '.join(words)}: {told.splitlines()[-1]}")

    for name, group in PROGRAMS[program].whole().commands.items():
        if isinstance(group, click.Group):
            below, command = list(group.commands.items())[-1]
            option = max((each for known in command.params for each in known.opts if each[0] == "-"), key=len)
            expect((name, f"{below}x"), below)
            expect((name, below, f"{option}x"), option)
    assert not missed, "\n".join(missed)


def test_an_argument_is_not_offered_in_place_of_a_mistyped_option() -> None:
    told = said("region-node", "complaints", "propose", "--text", "refunded")
    assert "No such option '--text'." in told
    assert "Did you mean text?" not in told


def test_a_command_that_is_not_loaded_yet_is_offered_too_in_both_languages() -> None:
    places = {"orders": "region_node.cli.orders.orders:orders"}
    group = SpeakingGroup("program")
    speaking(group, Path(region_node.texts), places)
    assert "Did you mean orders?" in CliRunner().invoke(group, ["ordrs"]).output
    assert "没有命令 'ordrs'。您是不是要找orders？" in CliRunner().invoke(group, ["ordrs", "--lang", "zh"]).output


def test_a_mistyped_value_of_an_option_is_told_with_the_nearest() -> None:
    required = ("--node=x:1", "--credentials=.", "--federation=f", "--region=r", "--staff-id=1", "--purpose=p")
    words = ("sharing", "read", "+8619851000001", "--basis", "consnt", *required)
    assert "Did you mean consent?" in said("region-node", *words)
    assert "不是consent、contract-necessity、legal-duty之一。您是不是要找consent？" in said(
        "region-node", *words, "--lang", "zh"
    )


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_command_takes_the_option(program: str) -> None:
    for command in commands(PROGRAMS[program].whole()):
        assert [option.name for option in command.params].count("lang") == 1, command.name


def test_a_language_that_is_not_spoken_is_refused() -> None:
    assert "'fr' is not one of" in said("coordinator", "regions", "list", "--lang", "fr")


@given(st.lists(st.sampled_from(["--lang", "zh", "en", "--lang=zh", "--lang=en", "fr", "call"]), max_size=5))
def test_any_command_line_asks_for_a_language_that_is_spoken(arguments: list[str]) -> None:
    assert asked_language(arguments, {}) in LANGUAGES


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_is_given_what_completes_the_commands(program: str, shell: str) -> None:
    told = said(program, "completion", shell)
    assert program in told
    assert f"_{program.upper().replace('-', '_')}_COMPLETE" in told


@pytest.mark.parametrize(("language", "told"), [("en", "there are several"), ("zh", "包含多份")])
def test_a_problem_with_what_others_sent_is_told_in_the_language_of_the_reader(language: str, told: str) -> None:
    with for_reader(language, Path()):
        assert refusal(Unfit("there are several", "包含多份")) == told
        assert refusal(ValueError("of a library")) == "of a library"


def test_a_refusal_is_told_with_its_code_in_the_language_that_was_asked_for() -> None:
    refused = Refused(Reason.REASON_REGION_SUSPENDED, region="henan")
    assert refusal(refused) == str(refused)
    said("coordinator", "--lang", "zh", "--help")
    assert holds_chinese(refusal(refused))
    assert refusal(refused).startswith("REGION_SUSPENDED: ")


def test_states_have_a_word_in_each_language() -> None:
    assert word("ORDER_STATE_IN_PROGRESS", "ORDER_STATE_") == "in progress"
    said("coordinator", "--lang", "zh", "--help")
    assert word("ORDER_STATE_IN_PROGRESS", "ORDER_STATE_") == "办理中"
    assert word("PARTY_UNSPECIFIED", "PARTY_") == ""


@pytest.fixture(name="settings_file")
def settings_without_certificates(tmp_path: Path) -> Path:
    """Settings that can be read and name certificates that are not there."""
    file = tmp_path / "coordinator.toml"
    file.write_text(
        'federation = "crossregion.example"\nlisten = "127.0.0.1:0"\ndata = "data"\n'
        '[credentials]\nauthority = "authority.crt"\ncertificate = "tls.crt"\nkey = "tls.key"\n'
    )
    return file


def test_the_doctor_tells_people_in_their_language_and_programs_in_english(settings_file: Path) -> None:
    told = said("coordinator", "doctor", "--settings", str(settings_file), "--lang", "zh")
    assert "有问题" in told
    assert "请放入私钥（PEM）" in told
    for_programs = said("coordinator", "doctor", "--settings", str(settings_file), "--lang", "zh", "--json")
    assert json.loads(for_programs)["checks"]
    assert not holds_chinese(for_programs)


def test_settings_are_shown_in_the_language_that_was_asked_for(settings_file: Path) -> None:
    told = said("coordinator", "config", "validate", "--settings", str(settings_file), "--lang", "zh")
    assert told.endswith("：可以使用\n")


def test_what_is_wrong_with_settings_is_told_in_the_language_that_was_asked_for(settings_file: Path) -> None:
    words = ("config", "validate", "--settings", str(settings_file), "--set", "number=x", "--set", "listen=nowhere")
    told = said("coordinator", *words, "--lang", "zh")
    assert "--set number: 须为整数" in told
    told = said("coordinator", *words[:4], "--set", "listen=nowhere", "--lang", "zh")
    assert "--set listen: 'nowhere'不是host:port" in told


def completed(program: str, *words: str) -> list[str]:
    """A shell's completions for the last of the words."""
    *before, incomplete = words
    items = ShellComplete(PROGRAMS[program], {}, program, "_COMPLETE").get_completions(before, incomplete)
    return [item.value for item in items]


def test_the_shell_completes_the_methods_of_a_node() -> None:
    offered = completed("region-node", "call", "OrderService.Get")
    assert "OrderService.GetOrder" in offered
    assert all(name.startswith("OrderService.Get") for name in offered)


def test_the_shell_offers_no_method_that_call_does_not_take() -> None:
    assert "OrderService.SubmitOrder" in completed("region-node", "call", "")
    assert "OrderService.SubmitOrders" not in completed("region-node", "call", "")


def test_the_shell_completes_commands_options_and_their_values() -> None:
    assert completed("region-node", "orders", "sub") == ["submit-file"]
    assert completed("coordinator", "orders", "list", "--state", "in") == ["in-progress"]
    assert completed("coordinator", "regions", "list", "--la") == ["--lang"]
    assert completed("region-node", "call", "--lang", "") == ["en", "zh"]


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_command_has_a_help_with_an_example(program: str) -> None:
    for command in commands(PROGRAMS[program].whole()):
        if not isinstance(command, click.Group):
            assert "Example" in (command.help or ""), command.name


IDENTIFIER = re.compile(r"[A-Za-z0-9_.-]+")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("width", [40, 63, 78])
def test_a_folded_help_keeps_its_identifiers_whole_and_its_lines_within_the_width(language: str, width: int) -> None:
    wrong = []
    for told in help_paragraphs()[language]:
        lines = folded(told, width)
        pieces = [piece for line in lines for piece in IDENTIFIER.findall(line)]
        wrong += [told] if pieces != IDENTIFIER.findall(told) else []
        wrong += [line for line in lines if columns(line) > width and " " in line.strip()]
    assert not wrong, "\n".join(wrong)


def help_paragraphs() -> dict[str, list[str]]:
    """The paragraphs of all helps, in each language."""
    found: dict[str, list[str]] = {language: [] for language in LANGUAGES}
    for group in PROGRAMS.values():
        written = [each.help or "" for each in helped(group.whole())]
        paragraphs = [told for each in written for told in help_texts(each) if told]
        for language, said_texts in found.items():
            catalogue = gettext.translation("messages", str(group.texts), languages=[language], fallback=True)
            said_texts += [catalogue.gettext(each) for each in paragraphs]
    return found


def test_the_chinese_help_of_an_import_names_its_fields_and_options_whole() -> None:
    told = said("region-node", "complaints", "import", "--help", "--lang", "zh")
    names = ["external_id", "category", "first_response_time", "2026-11-01T09:00:00+08:00。"]
    assert [name for name in names if name not in told] == []


def test_no_line_of_a_folded_text_begins_with_a_closing_mark_or_ends_with_an_opening_one() -> None:
    lines = folded("投诉（见上文）。" * 20, 30)
    assert [line for line in lines if line[0] in "）。" or line[-1] == "（" or columns(line) > 30] == []


ROOT = Path(__file__).parents[2]
SPOKEN = [
    path
    for pattern in (
        "region_node/cli/**/*.py",
        "coordinator/cli/**/*.py",
        "gateway/maintenance/doctor/*.py",
        "gateway/*/commands.py",
    )
    for path in ROOT.glob(pattern)
]
# What ends in the eyes of a person, and the exceptions of the commands whose text does.
TOLD_BY = {
    "echo",
    "secho",
    "leave",
    "refuse",
    "fail",
    "print_table",
    "add_column",
    "good",
    "bad",
    "warning",
    "not_checked",
    "Unreadable",
    "NotDone",
    "CannotReach",
    "NoWitness",
    "UsageError",
    "BadParameter",
    "ClickException",
    "MapUnusable",
    "OrderFileUnusable",
    "CustomerFileUnusable",
    "FileUnusable",
}
NOT_TRANSLATED = {
    ": SQLite ": "a name",
    "chmod 600 ": "a command to give",
    "chmod -R go= ": "a command to give",
    "--numbers: ": "the option that what follows is about",
    "# revision ": "a comment in the YAML that `federation show` prints for `apply`",
}


def own_words(node: ast.AST) -> Iterator[str]:
    """The words of an expression that are written where it stands; what it calls speaks for itself."""
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str) and any(character.isalpha() for character in node.value):
            yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield from (word for part in node.values if isinstance(part, ast.Constant) for word in own_words(part))
    elif isinstance(node, ast.List | ast.Tuple):
        yield from (word for element in node.elts for word in own_words(element))
    elif isinstance(node, ast.BinOp):
        yield from (*own_words(node.left), *own_words(node.right))
    elif isinstance(node, ast.IfExp):
        yield from (*own_words(node.body), *own_words(node.orelse))
    elif isinstance(node, ast.BoolOp):
        yield from (word for value in node.values for word in own_words(value))
    elif isinstance(node, ast.Starred):
        yield from own_words(node.value)
    elif isinstance(node, ast.GeneratorExp | ast.ListComp):
        yield from own_words(node.elt)


def untranslated(source: str) -> Iterator[str]:
    """The words that a module tells people past `translated`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in TOLD_BY:
                yield from (word for argument in node.args for word in own_words(argument))


def test_a_command_tells_people_nothing_past_its_catalogue() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {word}"
        for path in SPOKEN
        for word in untranslated(path.read_text("utf-8"))
        if word not in NOT_TRANSLATED
    ]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        'click.echo("done")',
        'click.echo(f"{count} lines")',
        'leave(f"{path}: gone", 1)',
        'raise NotDone([f"{count} problems"])',
        'raise NotDone([*told, "nothing was done"])',
        'raise click.UsageError("no" if bad else translated("yes"))',
        'raise NotDone(f"{each.line} is bad" for each in found)',
    ],
)
def test_words_past_the_catalogue_are_found(source: str) -> None:
    assert list(untranslated(source))


@pytest.mark.parametrize("source", ['click.echo(translated("done"))', 'leave(f"{path}: {error}", 1)', "leave(told, 1)"])
def test_words_of_the_catalogue_and_of_others_are_let_pass(source: str) -> None:
    assert not list(untranslated(source))


@pytest.mark.parametrize(("language", "said"), [("en", "henan, hebei; none"), ("zh", "henan、hebei；none")])
def test_a_list_is_separated_as_its_reader_separates(language: str, said: str) -> None:
    with for_reader(language, Path()):
        assert clauses([enumerated(["henan", "hebei"]), "none"]) == said


def test_the_federation_and_the_coordinator_have_one_chinese_name_each() -> None:
    others = re.compile("联邦|联合体|协调器|协调节点")  # for 联盟 and 协调中心
    folders, kinds = ("gateway", "region_node", "coordinator", "deploy", "protos", "docs"), ("po", "py", "proto", "md")
    paths = [
        path for folder in folders for kind in (*kinds, "yaml", "j2") for path in (ROOT / folder).rglob(f"*.{kind}")
    ]
    texts = {path: path.read_text("utf-8") for path in (*paths, *ROOT.glob("*.md"))}
    assert any("联盟" in text for text in texts.values()), "nothing was read, so nothing was checked"
    assert not [f"{path}: {found}" for path, text in texts.items() for found in others.findall(text)]
