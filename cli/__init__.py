"""Command lines of das3d: thin click commands over `das3d_aug` and `das3d_ref`, one a file, named as the command.

No logic lives here; what a command needs is imported when it runs, so that ``--help`` is instant.
"""
