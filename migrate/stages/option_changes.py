"""What became of a picklist's values between two looks at it?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from migrate.catalog import Option
from migrate.stages.check_values import option_words


def became(old: Sequence[Option], new: Sequence[Option]) -> Iterator[tuple[Option, str]]:
    """Values that no longer serve as they did, with what became of them."""
    there, known = {option.value: option for option in new}, {option.value for option in old}
    for option in old:
        now = there.get(option.value)
        if not option.active:
            continue
        if now is None:
            heirs = [each.value for each in new if each.label == option.label and each.value not in known]
            words = f"{option_words(option)} is gone"
            yield option, words + (f", `{heirs[0]}` has its label" if heirs else "")
        elif not now.active:
            yield option, f"{option_words(option)} is inactive now"
        elif now.label != option.label:
            yield option, f"`{option.value}` was called `{option.label}`, and is called `{now.label}` now"


def come(old: Sequence[Option], new: Sequence[Option]) -> list[Option]:
    """Values that were not there, and are in use now."""
    known = {option.value for option in old}
    return [option for option in new if option.value not in known and option.active]
