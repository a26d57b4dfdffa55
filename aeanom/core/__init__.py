"""The abstract interface, and everything that the backends share.

Imports NumPy, the standard library and `aeanom.architectures`; no framework, ever. The seam is in
`backend.py`, `autoencoder.py` and `trainer.py`, and for single layers in `layers.py`; what is
decided once for all backends is in `initializers.py`, `batches.py`, `optimizers.py`, `losses.py`
and `noise.py`.
"""

from aeanom.core.autoencoder import Autoencoder
from aeanom.core.backend import Backend, Capabilities
from aeanom.core.batches import Block, LossSum, Segment
from aeanom.core.callbacks import PrintProgress, Progress
from aeanom.core.history import History
from aeanom.core.initializers import initial_weights
from aeanom.core.layers import BoundLayer, Context
from aeanom.core.losses import Loss
from aeanom.core.modules import ModuleArchitecture
from aeanom.core.optimizers import Adam
from aeanom.core.plan import TrainingPlan
from aeanom.core.registry import available_backends, get_backend, known_backends, resolve_backend
from aeanom.core.scaling import Scaler
from aeanom.core.trainer import LoopState, Trainer, TrainerState
from aeanom.core.weights import Float, Weights

__all__ = [
    "Adam",
    "Autoencoder",
    "Backend",
    "Block",
    "BoundLayer",
    "Capabilities",
    "Context",
    "Float",
    "History",
    "LoopState",
    "Loss",
    "LossSum",
    "ModuleArchitecture",
    "PrintProgress",
    "Progress",
    "Scaler",
    "Segment",
    "Trainer",
    "TrainerState",
    "TrainingPlan",
    "Weights",
    "available_backends",
    "get_backend",
    "initial_weights",
    "known_backends",
    "resolve_backend",
]
