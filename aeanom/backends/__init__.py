"""The built-in backends: one folder a framework, the same file names and order in each.

`layers.py` and `losses.py` say the mathematics natively, `autoencoder.py` holds the network,
`trainer.py` does the steps and `backend.py` puts them together. No backend imports another, and
only the one that was asked for is imported (`aeanom.core.registry`).
"""
