"""Scoring rows through a dense network in ONNX Runtime, which trains nothing.

The whole table goes in at once: blocks of 4,096 or 16,384 rows gained nothing (0.95-1.2). With the
error inside the graph as the only output a run takes as long as the reconstructions alone; the
reconstructions and then NumPy take 1.04-1.2 times as long, both as outputs 1.2-1.5.
"""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from benchmarks.workloads import Workload

TITLE = "ONNX Runtime"
KINDS = frozenset({"dense"})
DEVICES = frozenset({"cpu"})
TRAINS = False


class Scorer:
    """Scores with a workload's first weights."""

    def __init__(self, workload: Workload, device: str) -> None:
        self.workload = workload
        self.session: onnxruntime.InferenceSession | None = None

    def fit(self, rows: np.ndarray, epochs: int) -> list[float]:
        """Build the session with the first weights; nothing is trained."""
        self.session = onnxruntime.InferenceSession(
            graph_of(self.workload).SerializeToString(), providers=["CPUExecutionProvider"]
        )
        return []

    def score(self, rows: np.ndarray) -> np.ndarray:
        """Mean squared error of each row."""
        return self.session.run(None, {"x": rows})[0]


def graph_of(workload: Workload) -> onnx.ModelProto:
    """Return the graph from rows `x` to each row's mean squared error."""
    weights = list(workload.weights().values())
    pairs = list(zip(weights[::2], weights[1::2], strict=True))
    output_activation = workload.architecture().output_activation
    nodes, arrays, h = [], [numpy_helper.from_array(np.array([1], np.int64), "axes")], "x"
    for index, (kernel, bias) in enumerate(pairs):
        arrays += [
            numpy_helper.from_array(kernel, f"kernel_{index}"),
            numpy_helper.from_array(bias, f"bias_{index}"),
        ]
        inputs = [h, f"kernel_{index}", f"bias_{index}"]
        h = f"dense_{index}"
        nodes.append(helper.make_node("Gemm", inputs, [h]))
        is_last = index == len(pairs) - 1
        function = output_activation.capitalize() if is_last else "Relu"
        if function != "Linear":
            nodes.append(helper.make_node(function, [h], [f"activation_{index}"]))
            h = f"activation_{index}"
    nodes += [
        helper.make_node("Sub", [h, "x"], ["difference"]),
        helper.make_node("Mul", ["difference", "difference"], ["square"]),
        helper.make_node("ReduceMean", ["square", "axes"], ["error"], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "errors",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", len(pairs[0][0])])],
        [helper.make_tensor_value_info("error", TensorProto.FLOAT, ["rows"])],
        arrays,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return model


def contender(workload: Workload, device: str) -> Scorer:
    """Make one for a workload."""
    return Scorer(workload, device)
