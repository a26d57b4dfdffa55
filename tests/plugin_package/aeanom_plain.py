"""A backend for aeanom in plain NumPy: dense layers, activations, dropout; float64 only.

It is written to be read. Each layer's function returns its output and a function that takes a
gradient back; everything else is what the three abstract classes of `aeanom.core` ask for.
"""

import math
from operator import itemgetter

import numpy as np

from aeanom.architectures.layers import LEAKY_SLOPE, SELU_ALPHA, SELU_SCALE
from aeanom.core import Autoencoder, Backend, Capabilities, LossSum, Trainer, TrainerState
from aeanom.core.layers import Context, bind
from aeanom.core.losses import elementwise_loss
from aeanom.core.noise import step_noise
from aeanom.core.weights import check_weights

__all__ = ["PlainBackend"]


def sigmoid(x):
    return np.exp(-np.logaddexp(0, -x))


def normal_cdf(x):
    return 0.5 * (1 + np.vectorize(math.erf, otypes=[float])(x / math.sqrt(2)))


def normal_density(x):
    return np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)


def exp_below_zero(x):
    return np.exp(np.minimum(x, 0))


# Each activation and its derivative; at a kink it is what `Activation` says.
FUNCTIONS = {
    "linear": (lambda x: x, np.ones_like),
    "relu": (lambda x: np.maximum(x, 0), lambda x: np.where(x > 0, 1.0, 0.0)),
    "leaky_relu": (
        lambda x: np.where(x > 0, x, LEAKY_SLOPE * x),
        lambda x: np.where(x > 0, 1.0, LEAKY_SLOPE),
    ),
    "elu": (
        lambda x: np.where(x > 0, x, exp_below_zero(x) - 1),
        lambda x: np.where(x > 0, 1.0, exp_below_zero(x)),
    ),
    "selu": (
        lambda x: SELU_SCALE * np.where(x >= 0, x, SELU_ALPHA * (exp_below_zero(x) - 1)),
        lambda x: SELU_SCALE * np.where(x >= 0, 1.0, SELU_ALPHA * exp_below_zero(x)),
    ),
    "gelu": (lambda x: x * normal_cdf(x), lambda x: normal_cdf(x) + x * normal_density(x)),
    "silu": (lambda x: x * sigmoid(x), lambda x: sigmoid(x) * (1 + x * sigmoid(-x))),
    "tanh": (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "sigmoid": (sigmoid, lambda x: sigmoid(x) * sigmoid(-x)),
    "softplus": (lambda x: np.logaddexp(0, x), sigmoid),
}


def dense(bound, x, context):
    kernel, bias = bound.parameters["kernel"], bound.parameters.get("bias", 0.0)

    def backward(dy):
        inputs, outputs = x.reshape(-1, x.shape[-1]), dy.reshape(-1, dy.shape[-1])
        return dy @ kernel.T, {"kernel": inputs.T @ outputs, "bias": outputs.sum(axis=0)}

    return x @ kernel + bias, backward


def activation(bound, x, context):
    function, derivative = FUNCTIONS[bound.layer.function]
    return function(x), lambda dy: (dy * derivative(x), {})


def dropout(bound, x, context):
    factor = 1.0
    if bound.name in context.draws:
        rate = bound.layer.rate
        factor = (context.draws[bound.name] >= rate) / (1 - rate)
    return x * factor, lambda dy: (dy * factor, {})


LAYERS = {"dense": dense, "activation": activation, "dropout": dropout}

# Derivative of each element's loss in the output (for bce: in the logit).
LOSS_DERIVATIVES = {
    "mse": lambda loss, output, target: 2 * (output - target),
    "mae": lambda loss, output, target: np.sign(output - target),
    "huber": lambda loss, output, target: np.clip(output - target, -loss.delta, loss.delta),
    "bce": lambda loss, output, target: sigmoid(output) - target,
}


class PlainAutoencoder(Autoencoder):
    """Weights by name, and the layers bound to them."""

    def __init__(self, architecture, weights, *, dtype, device):
        super().__init__(architecture, dtype=dtype, device=device)
        self.load_weights(weights)

    def weights(self):
        return {name: array.copy() for name, array in self.parameters.items()}

    def load_weights(self, weights):
        checked = check_weights(self.architecture.parameters, weights, self.dtype)
        self.parameters = {name: array.copy() for name, array in checked.items()}

    def native(self):
        return self

    def forward(self, x, context, first=0, last=None):
        """Send rows through the layers from `first` to before `last`; return the ways back too."""
        ways_back = []
        for placed in self.architecture.layers[first:last]:
            bound = bind(placed, self.parameters)
            x, backward = LAYERS[placed.layer.kind](bound, x, context)
            ways_back.append((placed.name, backward))
        return x, ways_back

    @np.errstate(over="ignore", invalid="ignore")
    def _compute(self, what, rows, loss):
        n_encoder, context = len(self.architecture.encoder), Context()
        raw = what == "raw_output" or (loss is not None and loss.takes_raw_output)
        if what == "encode":
            return self.forward(rows, context, last=n_encoder)[0]
        if what == "decode":
            return self.forward(rows, context, first=n_encoder)[0]
        if what == "penalties":
            return np.zeros(len(rows))  # None of these layers adds a term to the loss.
        output = self.forward(rows, context, last=-1 if raw else None)[0]
        return output if loss is None else row_means(elementwise_loss(loss, output, rows))


def row_means(elements):
    return elements.reshape(len(elements), -1).mean(axis=1)


class PlainTrainer(Trainer):
    """Gradients by going back through the layers, then Adam."""

    def __init__(self, autoencoder, plan):
        super().__init__(autoencoder, plan)
        table = autoencoder.architecture.trainable
        self.first = {parameter.name: np.zeros(parameter.shape) for parameter in table}
        self.second = {name: zeros.copy() for name, zeros in self.first.items()}

    def place(self, block):
        return block.map(lambda part: np.asarray(part, dtype=self.autoencoder.dtype))

    def run_steps(self, placed, segment):
        network, total = self.autoencoder, 0.0
        for step in range(segment.steps):
            order, weight = segment.order[step], segment.row_weight[step]
            if segment.noise is None:
                number = segment.first_step + step
                noise = step_noise(
                    network.architecture, self.plan.seed, number, len(order), network.dtype
                )
            else:
                noise = {name: draws[step] for name, draws in segment.noise.items()}
            batch = placed.map(itemgetter(order))
            loss, gradients = self.sum_and_gradients(batch, weight, noise)
            mean = {name: gradient / weight.sum() for name, gradient in gradients.items()}
            self.adam(mean, segment.schedules["learning_rate"][step])
            total += loss
        return LossSum(total, segment.row_weight.sum())

    def evaluate(self, placed, schedules):
        loss, _ = self.sum_and_gradients(placed, np.ones(placed.n_rows), {})
        return LossSum(loss, placed.n_rows)

    def gradients(self, block, row_weights, schedules, noise=None):
        loss, gradients = self.sum_and_gradients(self.place(block), row_weights, noise or {})
        return LossSum(loss, row_weights.sum()), gradients

    def apply(self, gradients, schedules):
        self.adam(gradients, schedules["learning_rate"][0])

    def state(self):
        first = {name: array.copy() for name, array in self.first.items()}
        second = {name: array.copy() for name, array in self.second.items()}
        return TrainerState(self.step, self.autoencoder.weights(), first, second)

    def load_state(self, state):
        self.step = state.step
        self.autoencoder.load_weights(state.weights)
        self.first = self.checked(state.first_moment)
        self.second = self.checked(state.second_moment)

    def checked(self, moment):
        table, dtype = self.autoencoder.architecture.trainable, self.autoencoder.dtype
        return {name: array.copy() for name, array in check_weights(table, moment, dtype).items()}

    def snapshot(self):
        return self.autoencoder.weights()

    def restore(self, token):
        self.autoencoder.load_weights(token)

    @np.errstate(over="ignore", invalid="ignore")
    def sum_and_gradients(self, block, weight, noise):
        """Weighted sum of the row losses, and its gradients by parameter name."""
        loss, network = self.plan.loss, self.autoencoder
        context = Context(mode="train", row_weight=weight, draws=noise)
        last = -1 if loss.takes_raw_output else None
        output, ways_back = network.forward(block.rows, context, last=last)
        elements = elementwise_loss(loss, output, block.target)
        delta = LOSS_DERIVATIVES[loss.name](loss, output, block.target)
        if block.element_weights is not None:
            elements, delta = elements * block.element_weights, delta * block.element_weights
        per_element = weight / elements[0].size
        delta = delta * per_element.reshape(-1, *(1,) * (delta.ndim - 1))
        gradients = {}
        for layer, backward in reversed(ways_back):
            delta, own = backward(delta)
            gradients |= {f"{layer}.{name}": gradient for name, gradient in own.items()}
        total = float(row_means(elements) @ weight)
        return total, {name: gradients[name] for name in self.first}

    @np.errstate(over="ignore", invalid="ignore")
    def adam(self, gradients, learning_rate):
        """One step, as `aeanom.core.optimizers` states it."""
        adam, parameters = self.plan.optimizer, self.autoencoder.parameters
        norm = math.sqrt(sum(float((gradient**2).sum()) for gradient in gradients.values()))
        clip = min(1.0, adam.clip_norm / norm) if adam.clip_norm is not None and norm else 1.0
        self.step += 1
        for name, gradient in gradients.items():
            first, second, theta = self.first[name], self.second[name], parameters[name]
            first += (1 - adam.beta1) * (clip * gradient - first)
            second += (1 - adam.beta2) * ((clip * gradient) ** 2 - second)
            theta -= learning_rate * adam.weight_decay * theta
            root = np.sqrt(second / (1 - adam.beta2**self.step)) + adam.epsilon
            theta -= learning_rate / (1 - adam.beta1**self.step) * first / root


class PlainBackend(Backend):
    """What the entry point names: aeanom makes one, once, when `"plain"` is asked for."""

    name = "plain"
    capabilities = Capabilities(
        layer_kinds=frozenset(LAYERS),
        dtypes=frozenset({"float64"}),
        device_kinds=frozenset({"cpu"}),
    )

    def devices(self):
        return ("cpu",)

    def autoencoder(self, architecture, weights, *, dtype, device):
        self.check(architecture, dtype)
        return PlainAutoencoder(architecture, weights, dtype=dtype, device=device)

    def trainer(self, autoencoder, plan):
        return PlainTrainer(autoencoder, plan)
