"""What the commands share that take over a file: how they end."""

import asyncio
from collections.abc import Callable

import grpc

from gateway.cli.exits import NOT_KNOWN, REFUSED
from gateway.languages import translated
from region_node.cli.connection import Target
from region_node.cli.imports.import_report import ImportReport, M, R
from region_node.cli.imports.import_stream import FileImport, LinesToImport, Q
from region_node.cli.imports.line_file import LineFile, LineFileUnusable
from region_node.cli.outcome import may_pass, told_by


def run_import(
    target: Target,
    file: LineFile,
    work: Callable[[grpc.aio.Channel], LinesToImport[M, Q, R]],
    report: ImportReport[M, R],
    patience: float,
) -> tuple[str, int]:
    """Imports the file; why it did not come to its end, and the exit code."""
    again = translated("Run the same command again: it goes on after the last line that is done.")

    def tell_away(error: grpc.aio.AioRpcError) -> None:
        report.interrupted(told_by(error, target.server))

    async def run() -> None:
        async with target.channel() as channel:
            await FileImport(file, work(channel), report).run(patience, tell_away)

    try:
        asyncio.run(run())
    except LineFileUnusable as error:
        return f"{error}\n{again}", NOT_KNOWN
    except grpc.aio.AioRpcError as error:
        problem = told_by(error, target.server)
        if may_pass(error):
            return f"{problem}\n{again}", NOT_KNOWN
        return translated("Refused: {problem}", problem=problem), REFUSED
    except KeyboardInterrupt:
        return again, NOT_KNOWN
    return "", 0
