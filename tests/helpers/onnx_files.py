"""Small ONNX files of detectors, whole and otherwise."""

import json
from typing import Any

import numpy as np
import onnx

from das3d_ref import Config

_COLOUR = Config.from_dict({"mode": "rgb", "preparation": {"size": [24, 24]}}).to_dict()


def graph_file(graph: onnx.GraphProto, **changed: Any) -> bytes:
    """Return the ONNX file of a graph with the metadata of a detector on colour, some of it changed."""
    about = {"format": 1, "config": _COLOUR, "threshold": 0.5, "depth_range": None, "good_scores": [0.1, 0.2]} | changed
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10)
    model.metadata_props.add(key="das3d", value=json.dumps(about))
    data: bytes = model.SerializeToString()
    return data


def graph_of(*nodes: onnx.NodeProto, **constants: Any) -> onnx.GraphProto:
    """Return a graph from an image to an anomaly map."""
    value, array = onnx.helper.make_tensor_value_info, onnx.numpy_helper.from_array
    ends = [value("rgb", 1, ["batch", 3, 24, 24])], [value("anomaly_map", 1, ["batch", 1, 24, 24])]
    return onnx.helper.make_graph(nodes, "g", *ends, [array(np.array(one), name) for name, one in constants.items()])


def detector_file() -> bytes:
    """Return a file that is opened and runs."""
    node = onnx.helper.make_node
    nodes = (
        node("Conv", ["rgb", "w"], ["a"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        node("Resize", ["a", "", "scales"], ["b"], mode="linear"),
        node("MaxPool", ["b"], ["c"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Shape", ["c"], ["shape"]),
        node("Reshape", ["c", "shape"], ["d"]),
        node("Sigmoid", ["d"], ["anomaly_map"]),
    )
    return graph_file(graph_of(*nodes, w=np.ones((1, 3, 3, 3), np.float32), scales=np.float32([1, 1, 2, 2])))
