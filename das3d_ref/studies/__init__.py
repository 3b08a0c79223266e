"""Studies: the paper's tables: benchmark, ablation and cost, in cells that can be resumed.

It may import everything else of das3d_ref.
"""
