"""The one base class of everything the house says no to.

A refusal is a named fact about the request, not a bug: it carries a stable `code` for machines,
a sentence for people, what to do about it, and the facts a screen or a wire may want to show.
Subclasses live beside the verb that raises them and are listed in its docstring.
"""

from typing import ClassVar


class Refusal(Exception):
    """A request that the rules do not allow; nothing has been changed when it is raised."""

    code: ClassVar[str] = "refused"

    def __init__(self, message: str, fix: str = "", **facts: object) -> None:
        """Keep the sentence, the way out (`fix`, may be empty) and the facts behind them."""
        super().__init__(message)
        self.message = message
        self.fix = fix
        self.facts = facts
