"""Commands speak English or Chinese, as asked, and complete in the shell."""

import click
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.cli.main import main as coordinator
from deploy import texts
from gateway.languages import LANGUAGES, VARIABLE, asked_language, commands
from region_node.cli.main import main as region_node

PROGRAMS = {"region-node": region_node, "coordinator": coordinator}


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a test speaks, the tests after it hear English."""
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("LANGUAGE", "en")
    return


def said(program: str, *arguments: str) -> str:
    """What a program prints."""
    return CliRunner().invoke(PROGRAMS[program], list(arguments)).output


def holds_chinese(text: str) -> bool:
    return any("\u4e00" <= character <= "\u9fff" for character in text)


def test_every_text_of_the_commands_has_a_chinese_translation_with_the_same_parameters() -> None:
    assert texts.problems() == []


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_is_chinese_where_that_is_asked_for_and_english_again_after(program: str) -> None:
    english = said(program, "--help")
    assert holds_chinese(said(program, "--lang", "zh", "--help"))
    assert holds_chinese(said(program, "--help", "--lang=zh"))
    assert said(program, "--help") == english
    assert not holds_chinese(english)


def test_the_environment_asks_for_a_language_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "zh")
    assert holds_chinese(said("region-node", "call", "--help"))
    assert not holds_chinese(said("region-node", "migrate", "--help", "--lang", "en"))


def test_wrong_usage_is_told_in_the_language_that_was_asked_for() -> None:
    assert "没有选项" in said("coordinator", "regions", "list", "--lang", "zh", "--jjson")


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_command_takes_the_option(program: str) -> None:
    for command in commands(PROGRAMS[program]):
        assert [option.name for option in command.params].count("lang") == 1, command.name


def test_a_language_that_is_not_spoken_is_refused() -> None:
    assert "'fr' is not one of" in said("coordinator", "regions", "list", "--lang", "fr")


@settings(deadline=None)
@given(st.lists(st.sampled_from(["--lang", "zh", "en", "--lang=zh", "--lang=en", "fr", "call"]), max_size=5))
def test_any_command_line_asks_for_a_language_that_is_spoken(arguments: list[str]) -> None:
    assert asked_language(arguments, {}) in LANGUAGES


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_is_given_what_completes_the_commands(program: str, shell: str) -> None:
    told = said(program, "completion", shell)
    assert program in told
    assert f"_{program.upper().replace('-', '_')}_COMPLETE" in told


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_command_has_a_help_with_an_example(program: str) -> None:
    for command in commands(PROGRAMS[program]):
        if not isinstance(command, click.Group):
            assert "Example" in (command.help or ""), command.name
