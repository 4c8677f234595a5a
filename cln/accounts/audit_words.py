"""What the audit log is searched by: the words of an entry, alike in its row and in a search.

An index of trigrams finds a piece from the middle of anything an entry says without reading the
account's entries.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from django.db.models import F, Func, Q, TextField, Value
from django.db.models.functions import Cast, Coalesce

PIECE_MIN: Final = 3
"""Characters that the index needs."""
# Names read with blanks where ids and JSON have signs: "key.created" is "key created".
_BLANK, _GONE = "_.", '"{}[]'
_AS_KEPT: Final = str.maketrans(_BLANK, " " * len(_BLANK), _GONE)
_BETWEEN: Final = {" → ": ", ", "; ": ", "}
"""What pages write where JSON has a comma."""

# The verb comes first, so that it can be asked for alone.
WORDS: Final = Func(
    F("verb"),
    F("actor"),
    F("subject"),
    Coalesce(Cast("address", TextField()), Value("")),
    F("token"),
    Cast("details", TextField()),
    arg_joiner=" || ' ' || ",
    template=f"lower(translate(%(expressions)s, '{_BLANK}{_GONE}', '{' ' * len(_BLANK)}'))",
    output_field=TextField(),
)


def saying(text: str, *, verbs: Collection[str] = (), words: Collection[str] = ()) -> Q:
    """Entries that say `text` or one of `words`, or are of one of `verbs`; of a text that is
    shorter than PIECE_MIN those with a word that begins so.
    """
    kept = _as_kept(text)
    if len(kept) < PIECE_MIN:
        return Q(words__startswith=kept) | Q(words__contains=f" {kept}")
    found = Q(words__contains=kept)
    for verb in verbs:
        found |= Q(words__startswith=f"{_as_kept(verb)} ")
    for word in words:
        found |= Q(words__contains=f" {_as_kept(word)} ")
    return found


def _as_kept(text: str) -> str:
    for shown, kept in _BETWEEN.items():
        text = text.replace(shown, kept)
    return text.translate(_AS_KEPT).lower()
