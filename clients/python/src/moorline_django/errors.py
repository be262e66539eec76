"""What can go wrong between Django and Moorline.

Every call of this package raises one of these, `ImproperlyConfigured` for a wrong setting, or `ValueError` for a value
that Moorline could never take.
"""

from __future__ import annotations


class MoorlineError(Exception):
    """Any of the below."""


class Refused(MoorlineError):
    """Moorline said no, and would say so again: `code` is a word of the list in its protocol, `status` the HTTP status."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{message} ({code}, HTTP {status})")
        self.status = status
        self.code = code


class Unavailable(MoorlineError):
    """No answer, or one that may be another later. What was asked may have been done all the same.

    Asking again with the same `key` is safe: a message is stored once.
    """

    def __init__(
        self, message: str, *, key: str | None = None, retry_after: float | None = None, answered: bool = True
    ) -> None:
        super().__init__(message)
        self.key = key
        self.answered = answered
        """Whether anybody answered at all."""
        self.retry_after = retry_after
        """Seconds that the server wishes to be left alone."""


class Misdirected(MoorlineError):
    """Somebody else answers at the URL. Nothing was refused, so nothing may be given up; but waiting a moment is no use."""

    def __init__(self, message: str, *, key: str | None = None) -> None:
        super().__init__(message)
        self.key = key
