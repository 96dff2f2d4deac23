"""What the help of a command says of its exit codes."""

EPILOG = (
    "Exit codes: 0 done, 1 refused or not possible, 2 wrong usage or settings, 3 the coordinator, or every region"
    " asked, cannot be reached."
)
