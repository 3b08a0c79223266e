"""``das3d-aug doctor``: check the installation."""

from __future__ import annotations

import click

__all__ = ["doctor"]


@click.command()
def doctor() -> int:
    """Check the installation; exit code 1 if something is wrong."""
    from das3d_aug.doctor import examine

    findings = examine()
    for finding in findings:
        click.echo(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.name:<16}{finding.detail}")
    return 0 if all(finding.ok for finding in findings) else 1
