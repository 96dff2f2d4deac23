"""The fit of proposals to people's labels. Pure."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

DESK = ""


@dataclass(frozen=True)
class Fit:
    """The fit of one category; None for a division by zero."""

    category: str
    texts: int
    """The number of texts with this label."""
    precision: float | None
    """The share of its proposals that were right."""
    recall: float | None
    """The share of its texts with this proposal."""


@dataclass(frozen=True)
class Measured:
    """Proposals against the categories that people gave."""

    texts: int
    proposed: int
    right: int
    fits: tuple[Fit, ...]
    """By category."""
    confused: tuple[tuple[str, str, int], ...]
    """Label, wrong proposal (`DESK` for none) and count, largest count first."""

    @property
    def coverage(self) -> float:
        """The share for which something was proposed, 0 to 1."""
        return self.proposed / self.texts if self.texts else 0.0

    @property
    def accuracy(self) -> float | None:
        """The share of right proposals; None without any."""
        return self.right / self.proposed if self.proposed else None


def measured(pairs: Iterable[tuple[str, str]]) -> Measured:
    """Measures pairs of a label and a proposal, `DESK` for none."""
    counts = Counter(pairs)
    given: Counter[str] = Counter()
    proposed: Counter[str] = Counter()
    for (wanted, found), count in counts.items():
        given[wanted] += count
        proposed[found] += count
    right = {code: counts[code, code] for code in given | proposed if code != DESK}
    confused = [(wanted, found, count) for (wanted, found), count in counts.items() if wanted != found]
    return Measured(
        texts=counts.total(),
        proposed=counts.total() - proposed[DESK],
        right=sum(right.values()),
        fits=tuple(
            Fit(code, given[code], _share(right[code], proposed[code]), _share(right[code], given[code]))
            for code in sorted(right)
        ),
        confused=tuple(sorted(confused, key=lambda each: (-each[2], each[0], each[1]))),
    )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
