"""The computed demo set: families of parts, flaws made on them, and the camera that sees them.

It may import the ground only, and nothing of the synthesis: otherwise the demo would grade itself.
"""

from das3d_aug.datasets.demo.part import DEFECTS, FAMILIES, DemoItem, DemoPart, demo_plan, make_part

__all__ = ["DEFECTS", "FAMILIES", "DemoItem", "DemoPart", "demo_plan", "make_part"]
