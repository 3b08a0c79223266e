"""Deployment: a detector away from its training: back ends and ONNX.

It may import model and metrics.
"""
