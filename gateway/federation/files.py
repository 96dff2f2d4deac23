"""The federation configuration as YAML files.

The files of a directory form one `Configuration` message. Each file holds some of its fields, under the names of the
contract. Lists in several files are joined. The type of a field decides how a scalar is read. So `+8628` stays a text,
and `2026-01-01` needs no quotes. Durations are in seconds: `86400s`.
"""

from pathlib import Path
from typing import TypeAlias

import yaml
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.json_format import MessageToDict, ParseError
from google.protobuf.message_factory import GetMessageClass

from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.federation.administration_rules import DEFAULT_THRESHOLD
from gateway.values.json_messages import message_of

# The value of a YAML node: the JSON form of the message, which protobuf parses.
_Json: TypeAlias = "dict[str, _Json] | list[_Json] | str | bool | None"

# How `dump` shares the fields out among files.
_FILES = {
    "regions.yaml": ("federation", "regions"),
    "number-plan.yaml": ("number_plan",),
    "catalogue.yaml": ("businesses",),
    "materials.yaml": ("materials",),
    "plans.yaml": ("plans",),
    "calendars.yaml": ("calendars",),
    "offerings.yaml": ("offerings",),
    "policies.yaml": ("policies",),
    "service-points.yaml": ("service_points",),
    "purposes.yaml": ("purposes",),
    "retention.yaml": ("retention_rules",),
    "complaints.yaml": ("complaint_categories",),
    "complaint-words.yaml": ("complaint_words",),
    "causes.yaml": ("resolution_causes",),
    "network.yaml": ("network",),
    "agreements.yaml": ("agreement_templates",),
    "body.yaml": ("body",),
    "quality.yaml": ("quality",),
    "risks.yaml": ("risks",),
    "administration.yaml": ("administration",),
}


class ConfigurationError(Exception):
    """The files are not a configuration; `problems` lists everything found, each with file, line and key."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def load(directory: Path) -> Configuration:
    """Loads the configuration from the `*.yaml` files of a directory.

    Administrators without a threshold get `DEFAULT_THRESHOLD`: a lower one is written out. Checks only the form;
    `rules.problems` checks the content. Raises `ConfigurationError` if a file cannot be read, is
    not YAML, or holds an unknown key or value.
    """
    problems: list[str] = []
    merged = Configuration()
    named_in = ""
    paths = sorted(directory.glob("*.yaml"))
    for path in paths:
        part = _File(path.name, problems).read(path)
        if part.federation:
            if named_in:
                problems.append(f"{path.name}: federation: already set in {named_in}")
            named_in = path.name
        merged.MergeFrom(part)
    if not paths:
        problems.append(f"{directory}: there is no *.yaml file")
    problems.extend(f"{path.name}: must end in .yaml to be read" for path in sorted(directory.glob("*.yml")))
    if problems:
        raise ConfigurationError(problems)
    if merged.administration.administrators and not merged.administration.threshold:
        merged.administration.threshold = DEFAULT_THRESHOLD
    return merged


def load_file(path: Path) -> Configuration:
    """The part of a configuration in one file. Raises as `load`."""
    problems: list[str] = []
    part = _File(path.name, problems).read(path)
    if problems:
        raise ConfigurationError(problems)
    return part


def dump(configuration: Configuration) -> dict[str, str]:
    """The configuration as YAML texts by file name, which `load` reads back as an equal message."""
    fields = MessageToDict(configuration, preserving_proto_field_name=True)
    texts: dict[str, str] = {}
    dumper = _dumper()
    for name, held in _FILES.items():
        content = {field: fields[field] for field in held if field in fields}
        if content or not texts:
            texts[name] = yaml.dump(content, Dumper=dumper, allow_unicode=True, sort_keys=False, width=110)
    return texts


class _Quoting(yaml.representer.SafeRepresenter):
    """Quotes texts that PyYAML does not read back as written: U+0085, for example, would become a space."""

    def represent_scalar(self, tag: str, value: str, style: str | None = None) -> yaml.ScalarNode:
        return super().represent_scalar(tag, value, style if value.isprintable() else '"')


def _dumper() -> type:
    """The YAML dumper, in C if available, which writes half a million prefixes in a fifth of the time."""
    return type("Dumper", (_Quoting, yaml.CSafeDumper if yaml.__with_libyaml__ else yaml.SafeDumper), {})


class _File:
    """Reads one file and collects its problems."""

    def __init__(self, name: str, problems: list[str]) -> None:
        self._name = name
        self._problems = problems

    def read(self, path: Path) -> Configuration:
        """The part of the configuration in this file; problems are collected and their values left out."""
        try:
            root = _compose(path.read_text(encoding="utf-8"))
        except OSError as error:
            self._problems.append(f"{self._name}: cannot be read: {error.strerror}")
        except UnicodeDecodeError as error:
            self._problems.append(f"{self._name}: is not UTF-8 at byte {error.start}")
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = mark.line + 1 if mark is not None else 1
            self._problems.append(f"{self._name}:{line}: is not YAML: {error.problem or error.context}")
        except yaml.YAMLError as error:
            self._problems.append(f"{self._name}: is not YAML: {' '.join(str(error).split())}")
        else:
            if root is not None:
                return self._parse(root)
            self._problems.append(f"{self._name}: is empty")
        return Configuration()

    def _parse(self, root: yaml.Node) -> Configuration:
        found = len(self._problems)
        content = self._message(Configuration.DESCRIPTOR, root, "")
        if len(self._problems) == found and isinstance(content, dict):
            try:
                return message_of(content, Configuration())
            except ParseError as error:
                self._problems.append(f"{self._name}: {error}")
        return Configuration()

    def _problem(self, node: yaml.Node, path: str, problem: str) -> None:
        self._problems.append(f"{self._name}:{node.start_mark.line + 1}: {path or 'the file'}: {problem}")

    def _message(self, descriptor: Descriptor, node: yaml.Node, path: str) -> _Json:
        if not isinstance(node, yaml.MappingNode):
            self._problem(node, path, "must be a mapping of keys to values")
            return None
        content: dict[str, _Json] = {}
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else "?"
            inner = f"{path}.{name}" if path else name
            field = descriptor.fields_by_name.get(name)
            if field is None:
                known = ", ".join(descriptor.fields_by_name)
                self._problem(key, inner, f"unknown key; known are {known}")
            elif name in content:
                self._problem(key, inner, "the key stands here twice")
            else:
                content[name] = self._field(field, value, inner)
        for choice in descriptor.oneofs:
            said = [field.name for field in choice.fields if field.name in content]
            if len(said) > 1:
                self._problem(node, path, f"only one of {', '.join(said)} may stand here")
        return content

    def _field(self, field: FieldDescriptor, node: yaml.Node, path: str) -> _Json:
        if not field.is_repeated:
            return self._value(field, node, path)
        if not isinstance(node, yaml.SequenceNode):
            self._problem(node, path, "must be a list")
            return None
        return [self._value(field, item, f"{path}[{index}]") for index, item in enumerate(node.value)]

    def _value(self, field: FieldDescriptor, node: yaml.Node, path: str) -> _Json:
        message = field.message_type
        if message is not None and message.full_name != Duration.DESCRIPTOR.full_name:
            return self._message(message, node, path)
        if not isinstance(node, yaml.ScalarNode):
            self._problem(node, path, "must be a single value")
            return None
        text: str = node.value
        if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
            return text
        if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL and text in ("true", "false"):
            return text == "true"
        if not _parses(field, text):
            self._problem(node, path, f"{text!r} is not {_expected(field)}")
        return text


def _compose(text: str) -> yaml.Node | None:
    """The nodes of a YAML text, every scalar a plain text. Raises `yaml.YAMLError`."""
    loader = yaml.CBaseLoader if yaml.__with_libyaml__ else yaml.BaseLoader
    root: yaml.Node | None = yaml.compose(text, Loader=loader)
    return root


def _parses(field: FieldDescriptor, text: str) -> bool:
    """Whether a value that is no text can be parsed. Each value is tried alone, so that its problem names its place."""
    if field.enum_type is not None:
        return text in field.enum_type.values_by_name
    holder = field.containing_type
    assert holder is not None, "only extensions have none"
    try:
        message_of({field.name: [text] if field.is_repeated else text}, GetMessageClass(holder)())
    except ParseError:
        return False
    return True


def _expected(field: FieldDescriptor) -> str:
    if field.enum_type is not None:
        return "one of " + ", ".join(value.name for value in field.enum_type.values if value.number)
    if field.message_type is not None:
        return "a duration in seconds such as 86400s"
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return "true or false"
    return "a whole number of the right size"
