"""``das3d-aug doctor``: check the installation."""

from __future__ import annotations

import click

from ..voice import voice

__all__ = ["doctor"]


@click.command()
def doctor() -> int:
    """Check the installation and print what a report of a bug needs; exit code 1 if something is wrong."""
    from das3d_aug.doctor import examine

    findings = examine()
    for finding in findings:
        voice().say(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.name:<16}{finding.detail}")
    voice().tell(findings=[vars(finding) for finding in findings])
    return 0 if all(finding.ok for finding in findings) else 1
