"""The error that reports bad input, and the warning that reports a substitute."""


class InfoMaxError(ValueError):
    """Bad input that the user can correct.

    The message is one line. It says what is wrong, where, and what to do about it. The command line prints the message
    without a traceback and exits with code 1. Any other exception that reaches the user is a bug in this package.
    """


class InfoMaxWarning(UserWarning):
    """Something was done in another way than asked, and the result is good.

    The message is one line. The command line prints it on stderr.
    """
