"""Playground: a page of this machine alone on which a recipe is built on good parts, and seen at once.

Here lives what draws for that page and the server that answers it; only `server` knows the packages that serve.  It
may import everything but previews and transforms.
"""

from das3d_aug.playground.bench import Playground
from das3d_aug.playground.serving import serve

__all__ = ["Playground", "serve"]
