"""Runs: a folder that a stoppable run writes, and the processes that work for it.

Here lives what any long command needs to be killed and completed.  It may import datasets, files and the ground.
"""
