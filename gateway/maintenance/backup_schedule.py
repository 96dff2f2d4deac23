"""`backups run`: the schedule of backups where no timers of the machine keep it."""

import signal
import time
from datetime import UTC, datetime
from typing import NoReturn

import click

from gateway.backups.history import History, Task
from gateway.backups.schedule import due
from gateway.maintenance.backup_drills import drill
from gateway.maintenance.backup_member import BackupMember, backup_member, ending, reason_of
from gateway.maintenance.program import Program, S
from gateway.settings import Sources
from gateway.store.port import StoreUnusable
from gateway.wording.languages import translated

_LOOK_SECONDS = 1.0
RUN = """Make the backups by a schedule until the process is stopped: for containers, which have no timers.

A copy each hour; where commits are archived, the archive each minute; a drill after the first copy and each week. The
text of a failure goes to standard error, and the task is repeated: a copy after five minutes, a drill after six hours.
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
            member, failures = backup_member(program, sources), dict[Task, datetime]()
            wanted = set(Task) if member.place.archive is not None else {Task.CREATE, Task.DRILL}
            while True:
                task = due(History.read(member.data), failures, wanted, datetime.now(UTC))
                if task is None:
                    time.sleep(_LOOK_SECONDS)
                    continue
                try:
                    _do(member, task)
                except (StoreUnusable, OSError) as error:
                    failures[task] = datetime.now(UTC)
                    told = translated("backups {task}: {problem}", task=task, problem=reason_of(error))
                    click.echo(told, err=True)

    return run


def _wait(told: str) -> NoReturn:
    """Until the process is stopped: one that ended would be started again."""
    click.echo(told, err=True)
    while True:
        signal.pause()


def _do(member: BackupMember, task: Task) -> None:
    if task == Task.CREATE:
        done = member.create().id
    elif task == Task.ARCHIVE:
        done = member.archive_commits().id
    else:
        done = drill(member, "").id
    click.echo(translated("backups {task}: done, {id}", task=task, id=done))
