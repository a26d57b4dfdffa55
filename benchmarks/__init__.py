"""Measurements, kept out of the test suite and out of the package; `aeanom benchmark` runs them."""
