"""The one exception that speaks to people."""

__all__ = ["UserError"]


class UserError(Exception):
    """A mistake that the reader of the message can mend.

    The message is one line: what, which rule, what was given, how to mend it.
    Commands print it without a traceback and exit with status 2.
    """
