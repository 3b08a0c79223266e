"""What an ONNX file from outside says, judged before a runtime gets its bytes.

Runtimes take a file at its word: they compute what needs no image while they open it, however large it is (twenty
bytes can stand for gigabytes and minutes), run loops for ever, hang where a version of the operators is none, and call
what extensions of theirs are named.  So here it is asked that a file has nothing but the standard's plain operators,
and that the numbers of its tensors are there and are as many as are declared; from those follow, as far as the
standard's rules say, the sizes of what is computed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from das3d_aug.errors import FileError, brief, quoted
from das3d_aug.files import read_json
from das3d_aug.files.limits import Damaged, limits
from das3d_ref.deployment.export import FORMAT, METADATA
from das3d_ref.deployment.runtimes import extra

__all__ = ["read_about"]

_NODES = 2**14
_SPARE = 2**20  # numbers that a graph may compute of constants, beside so many times as many as its weights are:
_TIMES = 5  # of known patches it computes doubles, squares, their sums, both joined, and that transposed
_SHORT = 2**12  # bytes of a tensor that may say shapes


def read_about(path: Path, data: bytes) -> dict[str, Any]:
    """Return what the metadata of a detector's ONNX file says, having judged the file.

    Parameters
    ----------
    path : pathlib.Path
        The file, which every error names.
    data : bytes
        What it holds.

    Raises
    ------
    FileError
        If it is no ONNX file, not a detector's of this format, or holds what ``das3d-ref export`` never writes.
    Das3dError
        If a package is missing.
    """
    with extra():
        import onnx  # comes with onnxscript
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_from_string(data)
    except DecodeError as error:
        raise FileError(path, "is not an ONNX file; give one that das3d-ref export wrote") from error
    texts = [entry.value for entry in model.metadata_props if entry.key == METADATA]
    if len(texts) != 1 or not isinstance(texts[0], str):  # bytes: it is no UTF-8
        raise FileError(path, "is not a detector of das3d; give a file that das3d-ref export wrote")
    about = read_json(path, data=texts[0].encode())
    if about.get("format") != FORMAT:
        raise FileError(path, f"has format {quoted(about.get('format'))}; this das3d reads format {FORMAT}")
    try:
        _judge(onnx, model, path)
    except FileError:
        raise
    except Damaged as error:
        raise FileError(path, f"{error}, which das3d-ref export never writes") from error
    except Exception as error:  # of the inference of shapes, which promises no family of errors
        raise FileError(path, f"has a graph that cannot be followed: {brief(str(error))}") from error
    return about


def _judge(onnx: Any, model: Any, path: Path) -> None:
    graph = model.graph
    if model.functions or model.training_info or graph.sparse_initializer:
        raise Damaged("has functions, sparse weights or a training")
    versions = [(one.domain, one.version) for one in model.opset_import]
    if len(versions) != 1 or versions[0][0] or not 1 <= versions[0][1] <= onnx.defs.onnx_opset_version():
        raise Damaged(f"is written for the operators {quoted(versions)}")
    if len(graph.node) > _NODES:
        raise Damaged(f"has {len(graph.node)} nodes, of which at most {_NODES} are read")
    if foreign := next((node.domain for node in graph.node if node.domain not in ("", "ai.onnx")), None):
        raise Damaged(f"has operators of {quoted(foreign)}")
    names = (name for node in graph.node for name in (node.op_type, node.name, *node.input, *node.output))
    if any(isinstance(name, bytes) for name in names):
        raise Damaged("has names that are no UTF-8")
    attributes = [attribute for node in graph.node for attribute in node.attribute]
    if any(attribute.HasField("g") or attribute.graphs for attribute in attributes):
        raise Damaged("has graphs in its nodes")
    weights = 0
    for tensor in (*graph.initializer, *_tensors(attributes)):
        weights += _numbers(onnx, tensor)
    _judge_computed(onnx, model, path, weights)


def _tensors(attributes: list[Any]) -> Iterator[Any]:
    for attribute in attributes:
        yield from ([attribute.t] if attribute.HasField("t") else [])
        yield from attribute.tensors
        if attribute.HasField("sparse_tensor") or attribute.sparse_tensors:
            raise Damaged("has sparse tensors")


def _numbers(onnx: Any, tensor: Any) -> int:
    """Return how many numbers a tensor has, all of which must be there."""
    if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
        raise Damaged("has weights outside the file")
    known = onnx.helper.get_all_tensor_dtypes()
    kind = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type) if tensor.data_type in known else None
    if kind is None or kind.kind not in "biuf":
        raise Damaged(f"has a tensor of type {tensor.data_type}")
    count: int = math.prod(tensor.dims)
    if min(tensor.dims, default=1) < 0 or count * kind.itemsize != len(tensor.raw_data):
        shape, there = quoted(list(tensor.dims)), len(tensor.raw_data)
        raise Damaged(f"has {there} bytes where a tensor of shape {shape} and type {kind} is declared")
    return count


def _judge_computed(onnx: Any, model: Any, path: Path, weights: int) -> None:
    """Refuse a graph of which a result is larger than an image can be, or what is computed of constants is large."""
    del model.graph.value_info[:]  # only what follows from the operators is believed
    for tensor in model.graph.initializer:
        if len(tensor.raw_data) > _SHORT:
            tensor.ClearField("raw_data")  # the inference copies what it is given
    sizes = {}
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    for value in (*inferred.value_info, *inferred.output):
        if value.type.tensor_type.HasField("shape"):
            shape = value.type.tensor_type.shape.dim
            known = [side.dim_value for side in shape if side.HasField("dim_value")]  # the batch is not
            computed = quoted([side.dim_value or "?" for side in shape])
            if min(known, default=1) < 0:
                raise Damaged(f"computes a tensor of shape {computed}")
            if 4 * math.prod(known) > limits().bytes:
                raise FileError(path, f"computes a tensor of shape {computed}, larger than DAS3D_LIMITS=bytes=… allows")
            sizes[value.name] = math.prod(known) if len(known) == len(shape) else math.inf
    given = {tensor.name for tensor in model.graph.initializer}
    of_images = {value.name for value in model.graph.input} - given
    constants = 0.0
    for node in model.graph.node:
        fixed = node.op_type in ("Shape", "Size") and all(sizes.get(name, math.inf) < math.inf for name in node.input)
        if not fixed and not of_images.isdisjoint(node.input):
            of_images.update(node.output)
            continue
        for name in filter(None, node.output):
            constants += sizes.get(name, math.inf)
            if constants > _TIMES * weights + _SPARE:
                raise Damaged(f"computes large constants, or ones of no known size ({quoted(name)})")
