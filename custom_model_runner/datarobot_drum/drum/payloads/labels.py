"""Which label of the model is which requested label."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from functools import lru_cache

_TRUTH_WORDS = dict.fromkeys(("true", "yes", "on", "t", "y"), 1.0) | dict.fromkeys(
    ("false", "no", "off", "f", "n"), 0.0
)


@lru_cache(maxsize=64)
def match_labels(found: tuple[str, ...], wanted: tuple[str, ...]) -> tuple[str, ...] | None:
    """The requested spelling of each found label, in the order found; None if the sets differ.

    `1.0` is `1` and `True` is `yes`, but equal texts, equal numbers and texts that differ in case
    only are paired first: so labels such as `1` and `yes` are never taken for each other.
    """
    if len(found) != len(wanted):
        return None
    names: dict[str, str] = {}
    for key in (str, _number, str.lower, _normalised):
        _pair(names, found, wanted, key)
    matched = tuple(names[label] for label in found if label in names)
    return matched if len(set(matched)) == len(wanted) else None


def _pair(
    names: dict[str, str],
    found: tuple[str, ...],
    wanted: tuple[str, ...],
    key: Callable[[str], Hashable],
) -> None:
    """Pair what is left on both sides and alone under its key."""
    taken = set(names.values())
    left = _by_key((label for label in found if label not in names), key)
    right = _by_key((label for label in wanted if label not in taken), key)
    for value, labels in left.items():
        if value is not None and len(labels) == 1 and len(right.get(value, ())) == 1:
            names[labels[0]] = right[value][0]


def _by_key(
    labels: Iterable[str], key: Callable[[str], Hashable]
) -> defaultdict[Hashable, list[str]]:
    groups: defaultdict[Hashable, list[str]] = defaultdict(list)
    for label in labels:
        groups[key(label)].append(label)
    return groups


def _number(label: str) -> float | None:
    try:
        return float(label)
    except ValueError:
        return None


def _normalised(label: str) -> Hashable:
    number = _number(label)
    if number is not None:
        return number
    text = label.lower()
    return _TRUTH_WORDS.get(text, text)
