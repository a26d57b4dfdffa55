"""How rows are sent through layers, whatever the framework."""

from types import SimpleNamespace

from aeanom.core.layers import Context, run


def test_only_the_layer_right_behind_may_write_over_an_output():
    may_write = []

    def dense(bound, x, context):
        may_write.append(x is context.overwritable)
        context.overwritable = y = object()
        return y

    def keeping(bound, x, context):
        may_write.append(x is context.overwritable)
        return x

    def adding(bound, x, context):
        may_write.append(x is context.overwritable)
        return run(functions, bound.inner, x, context)

    functions = {"dense": dense, "keeping": keeping, "adding": adding}

    def layer(kind, *inner):
        return SimpleNamespace(layer=SimpleNamespace(kind=kind), inner=inner)

    layers = ("dense", "keeping", "keeping", "dense", "dense")
    context = Context(overwritable=(rows := object()))
    run(functions, [*map(layer, layers), layer("adding", layer("keeping"))], rows, context)
    # Of the last two, the inner layer is handed what the outer one may still need.
    assert may_write == [False, True, False, False, True, True, False]
