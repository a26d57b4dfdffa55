"""Measurements, kept out of the test suite: `make benchmark` runs them."""
