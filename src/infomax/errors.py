"""The one error a person can mend: raised with a single line that says what is wrong, where, and what to do."""


class InfoMaxError(ValueError):
    """Bad input. The message is one line: what is wrong, where, and what to do about it.

    The command line prints it without a traceback and exits with 1. Anything else that escapes is our mistake.
    """
