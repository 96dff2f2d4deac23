"""The lines about exit codes in the help of a command."""

EPILOG = (
    "Exit codes: 0 done, 1 refused or not possible, 2 wrong usage or settings, 3 the coordinator, or every region"
    " asked, cannot be reached."
)
