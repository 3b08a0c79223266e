"""Hostile ONNX files: graphs that cost a runtime far more than they weigh, and tensors that are not what they say."""

import functools

import numpy as np
import onnx
from helpers.onnx_files import detector_file, graph_file, graph_of

node = onnx.helper.make_node


def changed(change):
    """Return a whole file of which the model was changed."""
    model = onnx.load_from_string(detector_file())
    change(model)
    return model.SerializeToString()


def bombs():
    sum_up = node("ReduceSum", ["large"], ["sum"]), node("Add", ["rgb", "sum"], ["anomaly_map"])
    size = np.array([20_000, 20_000])
    whole = node("Cast", ["size"], ["whole"], to=onnx.TensorProto.INT64)
    body = onnx.helper.make_graph([], "body", [], [])
    column, row = np.ones((30_000, 1), np.float32), np.ones((1, 30_000), np.float32)
    given = onnx.helper.make_tensor_value_info("one", 1, [1])
    disguised = graph_of(node("Expand", ["one", "size"], ["large"]), *sum_up, one=np.float32([1]), size=size)
    disguised.input.append(given)
    return {
        "onnx-expands": graph_of(node("Expand", ["one", "size"], ["large"]), *sum_up, one=np.float32([1]), size=size),
        "onnx-expands-an-input": disguised,
        "onnx-expands-by-a-cast": graph_of(
            whole, node("ConstantOfShape", ["whole"], ["large"]), *sum_up, size=np.float32(size)
        ),
        "onnx-multiplies": graph_of(node("MatMul", ["a", "b"], ["large"]), *sum_up, a=column, b=row),
        "onnx-tiles": graph_of(node("Tile", ["one", "size"], ["large"]), *sum_up, one=np.ones((1, 1)), size=size),
        "onnx-ranges": graph_of(
            node("Range", ["from", "to", "by"], ["large"]),
            *sum_up,
            **{"from": np.float32(0), "to": np.float32(1e9), "by": np.float32(1)},
        ),
        "onnx-resizes": graph_of(
            node("Resize", ["rgb", "", "scales"], ["large"]), *sum_up, scales=np.float32([1, 1, 9999, 9999])
        ),
        "onnx-pads": graph_of(
            node("Pad", ["rgb", "pads"], ["large"]), *sum_up, pads=np.array([0, 0, 0, 0, 0, 0, 2**40, 2**40])
        ),
        "onnx-loops": graph_of(node("Loop", ["most", ""], ["large"], body=body), *sum_up, most=np.array(2**62)),
        "onnx-30000-nodes": graph_of(*(node("Identity", ["rgb"], [f"a{k}"]) for k in range(2**14 + 1))),
        "onnx-sigmoid-of-itself": graph_of(node("Sigmoid", ["anomaly_map"], ["anomaly_map"])),
        "onnx-nothing": graph_of(),
        "onnx-of-another": graph_of(node("Gelu", ["rgb"], ["anomaly_map"], domain="com.microsoft")),
    }


def tensors():
    def first(**fields):
        def change(model):
            for name, value in fields.items():
                old = getattr(model.graph.initializer[0], name)
                if isinstance(value, list):
                    del old[:]
                    old.extend(value)
                else:
                    setattr(model.graph.initializer[0], name, value)

        return changed(change)

    def outside(model):
        tensor = model.graph.initializer[0]
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="../../../etc/passwd")

    return {
        "onnx-tensor-outside": changed(outside),
        "onnx-tensor-of-few-bytes": first(dims=[2**31, 2**31, 3, 3]),
        "onnx-tensor-below-0": first(dims=[-1, -27]),
        "onnx-tensor-overflows": first(dims=[2**62, 4, 3, 27]),
        "onnx-tensor-of-text": first(data_type=onnx.TensorProto.STRING),
        "onnx-tensor-of-no-type": first(data_type=99),
        "onnx-tensor-of-bytes-and-numbers": first(float_data=[1.0] * 27),
        "onnx-tensor-of-500-axes": first(dims=[1] * 500 + [1, 3, 3, 3]),
    }


def odd():
    whole = detector_file()
    functions = onnx.helper.make_function("mine", "f", ["a"], ["a"], [], [onnx.helper.make_opsetid("", 20)])
    return {
        "onnx-metadata-no-utf-8": whole.replace(b'"format"', b'"f\xff\xfemat"'),
        "onnx-name-no-utf-8": whole.replace(b"scales", b"sc\xff\xfees"),
        "onnx-operator-no-utf-8": whole.replace(b"Reshape", b"Resh\xff\xfee"),
        "onnx-metadata-twice": changed(lambda model: model.metadata_props.append(model.metadata_props[0])),
        "onnx-opset-of-the-future": changed(lambda model: setattr(model.opset_import[0], "version", 2**40)),
        "onnx-no-opset": changed(lambda model: model.opset_import.pop()),
        "onnx-ir-of-the-future": changed(lambda model: setattr(model, "ir_version", 2**40)),
        "onnx-functions": changed(lambda model: model.functions.append(functions)),
        "onnx-deep": b"\x3a\xff\xff\x03" * 9000,
        "onnx-threshold-is-a-list": graph_file(onnx.load_from_string(whole).graph, threshold=[[]]),
        "onnx-config-is-odd": graph_file(onnx.load_from_string(whole).graph, config={"network": {"levels": 10**9}}),
    }


@functools.cache
def files():
    """Return the hostile files by what they are; the first word is the type that they claim."""
    return {**{name: graph_file(graph) for name, graph in bombs().items()}, **tensors(), **odd()}
