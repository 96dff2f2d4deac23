"""The language of a command: English as written in the code, or Chinese from a gettext catalogue of its program."""

import gc
import gettext
import importlib
import inspect
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.errors import Refused, problem_text, reason_name, text
from gateway.values.lists import joined, joined_clauses
from gateway.values.nearest import nearest, suggested
from gateway.wording.help_wrapping import HelpContext
from gateway.wording.visible_output import visible_output

LANGUAGES = ("en", "zh")
VARIABLE = "CROSSREGION_LANG"
SUMMARIES = "commands.tsv"
"""The file beside the catalogues of a program that says in a line what each command does."""
_DOMAIN = "messages"  # where click looks for its own texts
_READER = "crossregion.reader"  # the language of one reader, among the values of a context of click
_KEPT = "\b\n"  # click does not wrap a paragraph that begins so
_EXAMPLE = re.compile(r"Examples?:")


def translated(words: str, /, **parameters: object) -> str:
    """A text in the language of the command, or of the reader, with its parameters (`{name}`) filled in."""
    reader = _reader()
    say = gettext.gettext if reader is None else reader.catalogue.gettext
    told = say(words) if words else ""  # gettext knows the empty text as the head of its catalogue
    return told.format(**parameters) if parameters else told


def enumerated(items: Iterable[str]) -> str:
    """The items of a list in one line, as the language of `translated` separates words."""
    return in_language(joined(items))


def clauses(items: Iterable[str]) -> str:
    """Items that are sentences, or lists themselves, in one line, as the language of `translated` separates them."""
    return in_language(joined_clauses(items))


def headed(head: str, told: str) -> str:
    """A text behind the word that it belongs to, as the language of `translated` writes a colon."""
    return translated("{head}: {told}", head=head, told=told)


def remarked(told: str, remark: str) -> str:
    """A text with a remark in brackets behind it, as the language of `translated` writes them."""
    return translated("{told} ({remark})", told=told, remark=remark)


def current_language() -> str:
    """The language of the command, or of the reader, one of LANGUAGES."""
    reader = _reader()
    if reader is not None:
        return reader.language
    return "zh" if os.environ.get("LANGUAGE") == "zh" else "en"


def has_reader() -> bool:
    """Whether the text is for a person who reads a page: a command's output goes into other commands, too."""
    return _reader() is not None


def in_language(told: LocalizedText) -> str:
    """A text of the contract in the language of the command."""
    return told.zh_cn if current_language() == "zh" else told.en


def refusal(error: Exception) -> str:
    """The text of a failure in the language of the command: for a refusal with the code of its reason."""
    if not isinstance(error, Refused):
        return in_language(problem_text(error))
    return f"{reason_name(error.reason)}: {in_language(text(error.reason, error.parameters))}"


def offering(problem: str, word: str, known: Iterable[str]) -> str:
    """The message about an unknown word, with the similar known words."""
    near = in_language(suggested(nearest(word, known)))
    stop = "。" if current_language() == "zh" else ". "
    return f"{problem.rstrip('.。')}{stop}{near}" if near else problem


def speak(language: str, texts: Path) -> None:
    """From here on this process speaks a language, by the catalogues in `texts`."""
    os.environ["LANGUAGE"] = language
    gettext.bindtextdomain(_DOMAIN, str(texts))
    gettext.textdomain(_DOMAIN)


@dataclass(frozen=True)
class _Reader:
    """The reader of what a server writes."""

    language: str
    catalogue: gettext.NullTranslations


@contextmanager
def for_reader(language: str, texts: Path) -> Iterator[None]:
    """Writes for one reader of a server, in a language of LANGUAGES and by the catalogues in `texts`.

    The language of the process stays. Terms and zones that are set within count within. No `await` may stand there.
    """
    spoken = [] if language == LANGUAGES[0] else [language]
    catalogue = gettext.translation(_DOMAIN, str(texts), languages=spoken, fallback=True)
    with click.Context(click.Command(None)).scope() as context:
        context.meta[_READER] = _Reader(language, catalogue)
        yield


def _reader() -> _Reader | None:
    context = click.get_current_context(silent=True)
    found: _Reader | None = None if context is None else context.meta.get(_READER)
    return found


def in_each_language(texts: Path, render: Callable[[], str]) -> Mapping[str, str]:
    """The result of `render` in each language, by the catalogues in `texts`; restores the process's language
    afterwards.
    """
    before = os.environ.get("LANGUAGE", LANGUAGES[0])
    said = {}
    try:
        for language in LANGUAGES:
            speak(language, texts)
            said[language] = render()
    finally:
        speak(before, texts)
    return said


def in_both_languages(words: str, texts: Path) -> LocalizedText:
    """A text in both languages, by the catalogues in `texts`, whatever the language of this process."""
    chinese = gettext.translation(_DOMAIN, str(texts), languages=["zh"], fallback=True)
    return LocalizedText(zh_cn=chinese.gettext(words), en=words)


def speak_to_programs() -> None:
    """Sets this process to English from here on: output for programs does not depend on the caller."""
    os.environ["LANGUAGE"] = LANGUAGES[0]


def asked_language(arguments: Sequence[str], environment: MutableMapping[str, str]) -> str:
    """The language of `--lang`, at any place in the command line, else of the environment, else English.

    Leaves an unknown language to the option, which refuses it.
    """
    asked = environment.get(VARIABLE, "")
    for position, argument in enumerate(arguments):
        if argument == "--lang":
            asked = "".join(arguments[position + 1 : position + 2])
        elif argument.startswith("--lang="):
            asked = argument.removeprefix("--lang=")
    return asked if asked in LANGUAGES else LANGUAGES[0]


class SpeakingGroup(click.Group):
    """A program's tree of commands, with help and messages in the selected language.

    `texts` holds its catalogues; `options` makes the options that all commands have. `places` maps a command's name to
    its place: `"orders"` to `"package.module:name"`. A command is imported at its first use, so that no call waits for
    all imports.
    """

    context_class = HelpContext
    texts: Path
    places: Mapping[str, str]
    options: Sequence[Callable[[], click.Option]]
    _originals: dict[tuple[click.Command | click.Option, str], str | None]
    _spoken: str  # the language of the helps, "" as they are written

    def whole(self) -> "SpeakingGroup":
        """The tree with all commands imported, and with untranslated help, whatever the language was."""
        for name in self.places:
            self._find(name)
        for (owner, field), original in self.__dict__.get("_originals", {}).items():
            setattr(owner, field, original)
        self._spoken = ""
        return self

    def summaries(self) -> dict[str, str]:
        """The first paragraph of each command's help, by name, as `make texts` has written it down."""
        file = self.texts / SUMMARIES
        lines = file.read_text("utf-8").splitlines() if file.exists() else ()
        return {name: told for name, _, told in (line.partition("\t") for line in lines)}

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """See click. A command that is only listed is not imported."""
        told = self.summaries()
        for name in self.places.keys() - told.keys():
            self._find(name)
        briefly = {name: click.Command(name, help=_paragraph(told[name])) for name in self.places if name in told}
        click.Group(commands={**briefly, **self.commands}).format_commands(ctx, formatter)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """See click."""
        return sorted({*super().list_commands(ctx), *self.places})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """See click."""
        self._find(cmd_name)
        return super().get_command(ctx, cmd_name)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401
        """See click. The error for an unknown word lists similar ones."""
        try:
            return super().invoke(ctx)
        except (click.NoSuchCommand, click.NoSuchOption) as error:
            raise _with_nearest(error) from error

    def _find(self, name: str) -> None:
        if name in self.commands or name not in self.places:
            return
        command = _imported(self.places[name])
        self.add_command(command, name)
        _add_options(command, self.options)
        _offer_choices(command)
        self._translate_help(command)

    # The types of click's own arguments.
    def main(self, *args: Any, **extra: Any) -> Any:  # noqa: ANN401
        """See click. Makes all output visible, including errors, and leaves no channel open at the end."""
        try:
            with visible_output():
                return super().main(*args, **extra)
        except SystemExit as ended:
            code = ended.code
        if not args and extra.get("args") is None:  # the process's own command line: it ends now
            # An exception from an event loop refers to itself by its traceback. The frames there refer to the channel.
            # gRPC makes the process wait two seconds for each channel that is open at its end.
            gc.collect()
        raise SystemExit(code)

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,  # noqa: ANN401
    ) -> click.Context:
        """See click. Chooses the language before anything is read."""
        language = asked_language(args, os.environ)
        speak(language, self.texts)
        if language != self.__dict__.get("_spoken"):
            self._translate_help(self)
            self._spoken = language
        try:
            # Texts of others that look like a colour code stay visible, also without a terminal.
            return super().make_context(info_name, args, parent, **{"color": True, **extra})
        except click.NoSuchOption as error:
            raise _with_nearest(error) from error

    def _translate_help(self, command: click.Command) -> None:
        known = self.__dict__.setdefault("_originals", {})
        for owner in helped(command):
            # Click makes the option --help of a command once, in the language that is spoken then.
            if isinstance(owner, click.Command) and (option := owner.get_help_option(click.Context(owner))) is not None:
                option.help = translated("Show this message and exit.")
            for field in ("help", "epilog"):
                original = known.setdefault((owner, field), getattr(owner, field, None))
                if original is not None:
                    setattr(owner, field, "\n\n".join(map(_paragraph, _paragraphs(original))))


class _Choice(click.Choice[str]):
    """A choice of words; the error for an unknown word offers similar ones."""

    def get_invalid_choice_message(self, value: object, ctx: click.Context | None) -> str:
        """See click."""
        problem = translated("{value!r} is not one of {known}.", value=value, known=enumerated(self.choices))
        return offering(problem, str(value), self.choices)


def speaking(
    group: SpeakingGroup, texts: Path, places: Mapping[str, str], options: Sequence[Callable[[], click.Option]] = ()
) -> None:
    """Gives a program its catalogues, its commands, the option `--lang`, and those of `options`."""
    group.texts, group.places, group.options = texts, places, (*options, _language_option)
    _add_options(group, group.options)


def commands(group: click.Command) -> Iterator[click.Command]:
    """A command and all loaded commands below it."""
    yield group
    if isinstance(group, click.Group):
        for command in group.commands.values():
            yield from commands(command)


def helped(group: click.Command) -> Iterator[click.Command | click.Option]:
    """Everything below a command that has a help text, and the command itself."""
    for command in commands(group):
        yield command
        yield from (parameter for parameter in command.params if isinstance(parameter, click.Option))


def help_texts(text: str) -> Iterator[str]:
    """The texts of a help that are translated singly: paragraphs, and the lines of unwrapped blocks."""
    for paragraph in _paragraphs(text):
        if not paragraph.startswith(_KEPT):
            yield " ".join(paragraph.split())
        elif not _EXAMPLE.match(paragraph.removeprefix(_KEPT)):
            yield from (line.strip() for line in paragraph.removeprefix(_KEPT).splitlines())


def _paragraphs(text: str) -> list[str]:
    return inspect.cleandoc(text).split("\n\n")


def _paragraph(paragraph: str) -> str:
    if not paragraph.startswith(_KEPT):
        text = " ".join(paragraph.split())
        return gettext.gettext(text) if text else paragraph
    lines = paragraph.removeprefix(_KEPT).splitlines()
    if _EXAMPLE.match(lines[0]):
        return "\n".join(["\b", gettext.gettext(lines[0]), *lines[1:]])
    return "\n".join(["\b", *(_line(line) for line in lines)])


def _line(line: str) -> str:
    text = line.strip()
    return line.replace(text, gettext.gettext(text)) if text else line


def _imported(place: str) -> click.Command:
    module, _, name = place.partition(":")
    command: click.Command = getattr(importlib.import_module(module), name)
    return command


def _with_nearest(error: click.NoSuchCommand | click.NoSuchOption) -> click.UsageError:
    """The error, with the commands or options similar to the unknown word."""
    assert error.ctx is not None, "click names the command whose word it is"
    command = error.ctx.command
    if isinstance(error, click.NoSuchOption):
        options = (name for each in command.params if isinstance(each, click.Option) for name in each.opts)
        return click.UsageError(offering(error.message, error.option_name, options), error.ctx)
    assert isinstance(command, click.Group), "only groups have commands"
    known = command.list_commands(error.ctx)
    return click.UsageError(offering(error.message, error.command_name, known), error.ctx)


def _offer_choices(group: click.Command) -> None:
    for command in commands(group):
        for parameter in command.params:
            if type(parameter.type) is click.Choice and all(isinstance(each, str) for each in parameter.type.choices):
                parameter.type = _Choice(parameter.type.choices, parameter.type.case_sensitive)


def _add_options(group: click.Command, options: Sequence[Callable[[], click.Option]]) -> None:
    """Gives each command the common options, and a help that wraps by display width."""
    for command in commands(group):
        command.context_class = HelpContext
        known = {parameter.name for parameter in command.params}
        command.params += [each for each in (make() for make in options) if each.name not in known]


class _FirstOption(click.Option):
    """An option of every command, processed first: it reports all missing required options together."""

    def handle_parse_result(
        self,
        ctx: click.Context,
        opts: Mapping[str, Any],
        args: list[str],
    ) -> tuple[Any, list[str]]:
        """See click. Raises UsageError for several missing options; click itself reports a single one."""
        taken = super().handle_parse_result(ctx, opts, args)
        required = [each for each in ctx.command.params if each.required and not ctx.resilient_parsing]
        missing = [each for each in required if each.value_is_missing(each.consume_value(ctx, opts)[0])]
        if len(missing) > 1:
            names = enumerated(each.get_error_hint(ctx) for each in missing)
            raise click.UsageError(translated("Missing: {names}", names=names), ctx)
        return taken


def _language_option() -> click.Option:
    return _FirstOption(
        ["--lang"],
        is_eager=True,
        type=click.Choice(LANGUAGES),
        envvar=VARIABLE,
        show_envvar=True,
        expose_value=False,
        help="The language of help and messages; en unless given.",
    )
