"""Scoring a million rows of 30 numbers through 30-64-32-64-30 in ONNX Runtime, on two threads.

The whole table goes in at once: blocks of 4,096 or 16,384 rows gained nothing (0.95-1.2). With the
error inside the graph as the only output a run takes as long as the reconstructions alone; the
reconstructions and then NumPy take 1.04-1.2 times as long, both as outputs 1.2-1.5.
"""

from __future__ import annotations

import json

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from .common import glorot_weights
from .scoring_numpy import THREADS, WIDTHS, data, median_seconds


def session(weights, *, errors: bool) -> onnxruntime.InferenceSession:
    """Return a session from rows `x` to reconstructions, or to each row's mean squared error."""
    nodes, arrays, h = [], [], "x"
    last = len(weights) - 1
    for index, (kernel, bias) in enumerate(weights.values()):
        arrays += [
            numpy_helper.from_array(kernel, f"kernel_{index}"),
            numpy_helper.from_array(bias, f"bias_{index}"),
        ]
        inputs = [h, f"kernel_{index}", f"bias_{index}"]
        h = f"dense_{index}"
        nodes.append(helper.make_node("Gemm", inputs, [h]))
        if index < last:
            nodes.append(helper.make_node("Relu", [h], [f"relu_{index}"]))
            h = f"relu_{index}"
    shape = ["rows", WIDTHS[-1]]
    if errors:
        arrays.append(numpy_helper.from_array(np.array([1], np.int64), "axes"))
        nodes += [
            helper.make_node("Sub", [h, "x"], ["difference"]),
            helper.make_node("Mul", ["difference", "difference"], ["square"]),
            helper.make_node("ReduceMean", ["square", "axes"], ["error"], keepdims=0),
        ]
        h, shape = "error", ["rows"]
    graph = helper.make_graph(
        nodes,
        "autoencoder",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", WIDTHS[0]])],
        [helper.make_tensor_value_info(h, TensorProto.FLOAT, shape)],
        arrays,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def main() -> None:
    """Print the median seconds of each way to the errors."""
    rows, wide, mean, scale = data()
    weights = glorot_weights(WIDTHS)
    reconstruct, errors = session(weights, errors=False), session(weights, errors=True)

    def then_numpy():
        difference = reconstruct.run(None, {"x": rows})[0]
        difference -= rows
        difference *= difference
        return difference.mean(axis=1)

    def standardised():
        return errors.run(None, {"x": ((wide - mean) / scale).astype(np.float32)})[0]

    result = {
        "reconstructions": median_seconds(lambda: reconstruct.run(None, {"x": rows})),
        "reconstructions_then_numpy": median_seconds(then_numpy),
        "error_in_graph": median_seconds(lambda: errors.run(None, {"x": rows})),
        "float64_standardised": median_seconds(standardised),
        "mean_error": float(errors.run(None, {"x": rows})[0].mean()),
    }
    version = onnxruntime.__version__
    print(json.dumps({"framework": "onnxruntime", "version": version, **result}))


if __name__ == "__main__":
    main()
