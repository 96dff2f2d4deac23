"""`backups run`: the schedule of backups where no timers of the machine keep it."""

import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NoReturn

import click

from gateway.backups.history import History, Task
from gateway.backups.schedule import due
from gateway.maintenance.backup_drills import drill
from gateway.maintenance.backup_member import BackupMember, backup_member, ending, reason_of
from gateway.maintenance.program import Program, S
from gateway.process.children import reap
from gateway.settings import Sources
from gateway.store.port import StoreUnusable
from gateway.wording.languages import enumerated, translated

_LOOK_SECONDS = 1.0
RUN = """Make the backups by a schedule until the process is stopped: for containers, which have no timers.

A copy each hour; where commits, or changes of etcd, are archived, the archive each minute; a drill after the first
copy and each week. The text of a failure goes to standard error, and the task is repeated: a copy after five minutes, a
drill after six hours.
Times are kept in the data, beside the process that serves. Where there is nothing to make, by the settings or by
--number, the command says so and waits.

\b
Example:
  {program} backups run --settings {program}.toml

\b
Exit codes: 2 wrong usage or settings, 143 stopped by SIGTERM.
"""


def run_command(program: Program[S]) -> click.Command:
    """The command `run` of a program."""

    @click.command("run")
    @program.settings_options
    @click.option(
        "--number",
        type=int,
        metavar="NUMBER",
        help="Make them only where the settings have this number: of several processes on one database, one does.",
    )
    def run(sources: Sources, number: int | None) -> None:
        with ending(program):
            settings = program.settings(sources)
            if settings.backup is None:
                _wait(translated("backup: the settings name no repository; nothing is copied"))
            if number not in (None, settings.number):
                _wait(translated("process {number} of this member makes its backups", number=number))
            _Schedule(backup_member(program, sources)).keep()

    return run


def _wait(told: str) -> NoReturn:
    """Until the process is stopped: one that ended would be started again."""
    click.echo(told, err=True)
    while True:
        signal.pause()


@dataclass
class _Schedule:
    """The tasks of a member, one at a time."""

    member: BackupMember
    _ended: dict[Task, float] = field(default_factory=dict)
    """When this process ended each task well, by a clock that nobody sets."""
    _may_be_locked: bool = True
    """Whether a program that was killed may have left its lock in the repository."""

    def keep(self) -> NoReturn:
        """Makes each task at its time. A failure is known to the next process, also where this one is killed."""
        failures = dict(History.read(self.member.data).tried)
        wanted = set(Task) if self.member.archives else {Task.CREATE, Task.DRILL}
        while True:
            reap()
            ages = {task: timedelta(seconds=time.monotonic() - end) for task, end in self._ended.items()}
            task = due(History.read(self.member.data), failures, ages, wanted, datetime.now(UTC))
            if task is None:
                time.sleep(_LOOK_SECONDS)
                continue
            failures[task] = datetime.now(UTC)
            self._note(failures)
            try:
                self._unlock()
                done = self._do(task)
            except (StoreUnusable, OSError) as error:
                failures[task], self._may_be_locked = datetime.now(UTC), True
                self._note(failures)
                told = translated("backups {task}: {problem}", task=task, problem=reason_of(error))
                click.echo(told, err=True)
            else:
                del failures[task]
                self._ended[task] = time.monotonic()
                self._note(failures)
                click.echo(translated("backups {task}: done, {id}", task=task, id=done))

    def _do(self, task: Task) -> str:
        if task == Task.CREATE:
            return self.member.create().id
        if task == Task.ARCHIVE:
            return enumerated(each.id for each in self.member.archive_all())
        return drill(self.member, "").id

    def _unlock(self) -> None:
        if self._may_be_locked:
            self.member.repository.unlock()
            self._may_be_locked = False

    def _note(self, failures: Mapping[Task, datetime]) -> None:
        """Keeps the failures for the next process; on a disk that takes nothing, this one alone knows them."""
        try:
            History.read(self.member.data).with_tried(failures).write(self.member.data)
        except OSError as error:
            click.echo(reason_of(error), err=True)
