"""The report, for people and for programs."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict

from rich.table import Table

from tests.chaos.operations import Summary
from tests.chaos.run import Happened, Report

Plain = dict[str, object]
_SHOWN = 200  # violations that people are shown


def plain(report: Report) -> Plain:
    """For JSON."""
    return {
        "seed": report.seed,
        "engine": report.engine.value,
        "seconds": report.seconds,
        "seconds_until_quiet": report.quiet,
        "watch_resumed": report.resumed,
        "operations": [{**asdict(each), "kind": each.kind.value} for each in report.operations],
        "faults": [_fault(each) for each in report.faults],
        "violations": [asdict(each) for each in report.violations],
        "memory_mebibytes": {name: list(sizes) for name, sizes in report.memory.items()},
    }


def tables(report: Report) -> Iterator[Table]:
    """Operations by kind, faults in their order, memory by process, and what was broken."""
    title = f"chaos for {report.seconds:.0f} s, seed {report.seed}, regions on {report.engine.value}"
    operations = _table(title, "operation", "asked", "acknowledged", "of these later", "refused", "unanswered")
    operations.add_column("slowest, s", justify="right")
    operations.add_column("tried again")
    for each in report.operations:
        operations.add_row(*_operation(each))
    operations.caption = f"all was quiet {report.quiet:.1f} s after the load; the watch resumed {report.resumed} times"
    yield operations
    faults = _table("faults", "member", "fault", "after, s", "lasted, s", "recovered in, s", "proof")
    for fault in report.faults:
        faults.add_row(
            fault.planned.target.name,
            fault.planned.kind.value,
            f"{fault.begun:.1f}",
            f"{fault.ended - fault.begun:.1f}",
            f"{fault.recovery:.2f}",
            fault.proof,
        )
    yield faults
    memory = _table("memory, MiB", "process", "before", "after")
    for name, (before, after) in report.memory.items():
        memory.add_row(name, f"{before:.0f}", f"{after:.0f}")
    yield memory
    violations = _table(f"{len(report.violations)} violations", "promise", "about", "what")
    for broken in report.violations[:_SHOWN]:
        violations.add_row(broken.promise, broken.subject, broken.text)
    yield violations


def _fault(fault: Happened) -> Plain:
    return {
        "member": fault.planned.target.name,
        "kind": fault.planned.kind.value,
        "begun": fault.begun,
        "ended": fault.ended,
        "recovery_seconds": fault.recovery,
        "proof": fault.proof,
    }


def _operation(each: Summary) -> tuple[str, ...]:
    return (
        each.kind.value,
        str(each.asked),
        str(each.acknowledged),
        str(each.given_up),
        _counts(each.refused) or "0",
        str(each.unanswered),
        f"{each.slowest:.1f}",
        _counts(each.hindrances),
    )


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left", caption_justify="left")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table
