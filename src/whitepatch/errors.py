"""The one exception that speaks to people."""

__all__ = ["UserError", "printable", "short"]


class UserError(Exception):
    """A mistake that the reader of the message can mend.

    The message is one line: what, which rule, what was given, how to mend it.
    Commands print it without a traceback and exit with status 2.
    """


def printable(name: str) -> str:
    """Return a name that somebody gave with whatever cannot be printed escaped."""
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in name
    )


def short(text: str, most: int) -> str:
    """Return a text as one line of at most `most` characters, its middle left out if need be."""
    line = " ".join(text.split())
    if len(line) <= most:
        return line
    kept = (most - 5) // 2
    return f"{line[:kept]} ... {line[-kept:]}"
