"""Command lines of das3d: thin click commands over `das3d_aug` and `das3d_ref`.

Every mistake of the user is one line on stderr, ``<program>: error: <what and what to do>``, and exit code 2.
"""

from __future__ import annotations

import sys
from typing import Any, NoReturn

import click

__all__ = ["Program"]


class Program(click.Group):
    """A click group that turns usage errors and das3d's own errors into one line and an exit code.

    The exit codes are 0 (done), 1 (done in part: the command said what failed), 2 (mistake in the call or
    in the input) and 130 (interrupted).
    """

    def main(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Run the command that the arguments name, then exit."""
        kwargs["standalone_mode"] = False
        try:
            code = super().main(*args, **kwargs)
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            sys.exit(2)
        except click.ClickException as error:
            self._fail(error.format_message())
        except (KeyboardInterrupt, click.Abort):
            click.echo(f"{self.name}: interrupted; what is finished is kept: run the same command again", err=True)
            sys.exit(130)
        except ModuleNotFoundError as error:
            if error.name is None or error.name.startswith("das3d"):
                raise
            package = error.name.partition(".")[0]
            self._fail(f"{package} is not installed: pip install '.[ref]' in the checkout of das3d")
        except Exception as error:
            from das3d_aug.errors import Das3dError  # lazily: --help must not load the package

            if not isinstance(error, Das3dError):
                raise
            self._fail(str(error))
        sys.exit(code if isinstance(code, int) else 0)

    def _fail(self, message: str) -> NoReturn:
        click.echo(f"{self.name}: error: {' '.join(message.split())}", err=True)
        sys.exit(2)
