"""The errors a user can cause. Each message is one line: the argument, what it was, what was expected."""


class InputError(ValueError):
    """Something handed to minicnn is not what it takes. The command line prints the line and exits 2."""


class MissingFileError(InputError, FileNotFoundError):
    """A file that was named is not there."""

    def __str__(self) -> str:  # OSError would print its own format
        return str(self.args[0]) if self.args else ""


class LoadError(InputError):
    """A weights file was refused; the model is as it was."""


class GradcheckError(AssertionError):
    """An analytic gradient and finite differences disagree. report: the GradcheckReport, where there is one."""

    def __init__(self, message: str, report: object = None) -> None:
        super().__init__(message)
        self.report = report
