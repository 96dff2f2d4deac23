"""Runs a program with its arguments, and says on standard error, in the last line, how many channels it left open."""

import importlib
import sys
import weakref
from collections.abc import Callable

import grpc


def _noting(dial: Callable[..., grpc.aio.Channel], opened: list[weakref.ref[grpc.aio.Channel]]) -> object:
    def dialled(*args: object, **options: object) -> grpc.aio.Channel:
        channel = dial(*args, **options)
        opened.append(weakref.ref(channel))
        return channel

    return dialled


def _run() -> None:
    program = importlib.import_module(sys.argv[1])
    sys.argv = [program.__name__, *sys.argv[2:]]
    opened: list[weakref.ref[grpc.aio.Channel]] = []
    grpc.aio.secure_channel = _noting(grpc.aio.secure_channel, opened)  # type: ignore[assignment]
    try:
        program.main()
    finally:
        # The error that ends a command is on its way here.
        left = sum(channel() is not None for channel in opened)
        sys.stderr.write(f"{left} of {len(opened)} channels are left\n")


if __name__ == "__main__":
    _run()
