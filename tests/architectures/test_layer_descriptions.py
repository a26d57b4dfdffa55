"""What holds for every layer description: JSON, equality, a place of its own, clear refusals."""

import json
from dataclasses import FrozenInstanceError, dataclass, fields
from typing import ClassVar

import numpy as np
import pytest

from aeanom.architectures import (
    GRU,
    LSTM,
    Activation,
    ActivityRegularization,
    AveragePool,
    BatchNorm,
    Conv1D,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Dropout,
    Flatten,
    GaussianLatent,
    GaussianOutput,
    InputNoise,
    Layer,
    LayerNorm,
    MaxPool,
    RepeatVector,
    Reshape,
    Residual,
    Upsample,
)
from aeanom.architectures.layers import LAYERS, layer_from_dict, place_layers
from aeanom.errors import ArchitectureError

IMAGE, WINDOW, FLAT = (6, 5, 4), (6, 4), (4,)

# Every layer with settings that are not its defaults, and a shape that it takes.
LAYER_EXAMPLES = [
    (Dense(4), FLAT),
    (Dense(4, use_bias=False, initializer="fan_in"), IMAGE),
    (Activation("gelu"), WINDOW),
    (Dropout(0.1), WINDOW),
    (LayerNorm(1e-3), WINDOW),
    (BatchNorm(0.5, 1e-4), IMAGE),
    (Flatten(), IMAGE),
    (Reshape((2, 12)), WINDOW),
    (Residual([Dense(4), Residual([Conv1D(4, 3), LayerNorm()])]), WINDOW),
    (Conv1D(3, 2, 2, [[1, 0]], use_bias=False), WINDOW),
    (Conv2D(3, (3, 2), (1, 2), "valid", initializer="he_uniform"), IMAGE),
    (Conv2D(3, 2, padding=((0, 1), (2, 0))), IMAGE),
    (Conv2DTranspose(3, 4, 2, ((1, 1), (0, 3))), IMAGE),
    (Upsample((2, 3)), IMAGE),
    (MaxPool(3), WINDOW),
    (AveragePool((2, 1)), IMAGE),
    (LSTM(3, return_sequences=True), WINDOW),
    (GRU(3, initializer="fan_in"), WINDOW),
    (RepeatVector(7), FLAT),
    (GaussianLatent(3, beta=0.5, warm_up_steps=10, kl_in_score=True), FLAT),
    (GaussianOutput(), IMAGE),
    (InputNoise("swap", 0.3), IMAGE),
    (ActivityRegularization(0.01), FLAT),
]
every_layer = pytest.mark.parametrize(
    ("layer", "shape"),
    LAYER_EXAMPLES,
    ids=[f"{layer.kind}{number}" for number, (layer, _) in enumerate(LAYER_EXAMPLES)],
)


def test_the_examples_are_of_every_kind_in_the_order_of_the_table():
    assert list(dict.fromkeys(layer.kind for layer, _ in LAYER_EXAMPLES)) == list(LAYERS)


@every_layer
def test_a_layer_comes_back_from_json(layer, shape):
    assert layer_from_dict(json.loads(json.dumps(layer.to_dict()))) == layer


@every_layer
def test_a_layer_that_came_back_from_json_hashes_alike(layer, shape):
    assert hash(layer_from_dict(json.loads(json.dumps(layer.to_dict())))) == hash(layer)


@every_layer
def test_the_dict_of_a_layer_says_its_kind_first(layer, shape):
    assert next(iter(layer.to_dict().items())) == ("kind", layer.kind)


@every_layer
def test_a_layer_cannot_be_changed(layer, shape):
    name = next((field.name for field in fields(layer)), "kind")
    with pytest.raises(FrozenInstanceError):
        setattr(layer, name, 1)


@every_layer
def test_a_placed_layer_has_its_parameters_under_its_name(layer, shape):
    (placed,) = place_layers("encoder", [layer], shape)
    names = [parameter.name for parameter in placed.parameters]
    assert len(set(names)) == len(names)
    assert all(name.startswith("encoder.0.") for name in names)


@every_layer
def test_a_layer_equals_none_of_the_others(layer, shape):
    assert [other for other, _ in LAYER_EXAMPLES if other == layer] == [layer]


@every_layer
def test_a_field_that_a_layer_does_not_have_is_refused(layer, shape):
    with pytest.raises(ArchitectureError, match=f"layer '{layer.kind}' has no field dilation"):
        layer_from_dict({**layer.to_dict(), "dilation": 2})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kind": "dens", "units": 4}, "unknown layer kind 'dens'; known: dense, activation"),
        ({"units": 4}, "unknown layer kind None"),
        ({"kind": "dense"}, "layer 'dense': .*units"),
        ({"kind": "residual", "layers": [{"kind": "dens"}]}, "unknown layer kind 'dens'"),
        ({"kind": "residual", "layers": []}, "Residual needs a list of layers"),
        ({"kind": "dropout", "rate": "much"}, r"Dropout needs a rate in \[0, 1\), got 'much'"),
        ({"kind": "dropout", "rate": 10**400}, r"Dropout needs a rate in \[0, 1\)"),
        ({"kind": "conv1d", "filters": 1, "kernel_size": 1, "padding": [[1.5, 0]]}, "1 pairs of"),
        ({"kind": "conv1d", "filters": 1, "kernel_size": []}, "whole numbers as kernel_size"),
    ],
)
def test_a_dict_of_no_layer_is_refused(values, message):
    with pytest.raises(ArchitectureError, match=message):
        layer_from_dict(values)


def test_numbers_of_numpy_become_plain_ones():
    layer = Conv2D(np.int64(3), np.int32(2), padding=[(np.int64(1), np.int64(0))] * 2)
    assert json.loads(json.dumps(layer.to_dict()))["padding"] == [[1, 0], [1, 0]]


def test_layers_are_placed_one_behind_the_other():
    placed = place_layers("decoder", [Dense(3), Flatten(), Dense(2)], (4, 5))
    assert [(p.name, p.input_shape, p.output_shape) for p in placed] == [
        ("decoder.0", (4, 5), (4, 3)),
        ("decoder.1", (4, 3), (12,)),
        ("decoder.2", (12,), (2,)),
    ]


def test_a_layer_that_leaves_nothing_of_a_row_is_refused_with_both_shapes():
    with pytest.raises(ArchitectureError, match=r"encoder\.1: .*shape \(2, 4\): \(0, 4\)"):
        place_layers("encoder", [Dense(4), MaxPool(3)], (2, 5))


def test_a_second_layer_of_the_same_kind_is_refused():
    with pytest.raises(ArchitectureError, match="there is a layer of kind 'dense' already"):

        class OtherDense(Layer):
            kind = "dense"

    assert LAYERS["dense"] is Dense


def test_a_class_of_your_own_does_not_take_the_place_of_ours_by_its_name():
    with pytest.raises(ArchitectureError, match="there is a layer of kind 'dropout' already"):
        type("Dropout", (Layer,), {"kind": "dropout", "__module__": "elsewhere"})
    assert LAYERS["dropout"] is Dropout


def test_a_layer_of_your_own_is_read_from_its_dict(monkeypatch):
    # Takes the class out of the table again.
    monkeypatch.setattr("aeanom.architectures.layers.base.LAYERS", dict(LAYERS))

    @dataclass(frozen=True)
    class Clip(Layer):
        most: float
        kind: ClassVar[str] = "clip"

        def output_shape(self, input_shape):
            return input_shape

    assert layer_from_dict({"kind": "clip", "most": 3.0}) == Clip(3.0)
