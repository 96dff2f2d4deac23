"""`completion`: makes a shell complete the commands of a program, and the names that a server knows."""

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")


def completion_command(program: str) -> click.Command:
    """The command for one program, for example `region-node`."""
    variable = f"_{program.upper().replace('-', '_')}_COMPLETE"

    @click.command(
        help=f"Print what makes a shell complete the commands, options and names of {program}.\n\n"
        f'\b\nExamples:\n  eval "$({program} completion bash)"\n'
        f"  {program} completion fish > ~/.config/fish/completions/{program}.fish"
    )
    @click.argument("shell", type=click.Choice(SHELLS))
    @click.pass_context
    def completion(context: click.Context, shell: str) -> None:
        found = get_completion_class(shell)
        assert found is not None, "click knows the shells above"
        click.echo(found(context.find_root().command, {}, program, variable).source())

    return completion
