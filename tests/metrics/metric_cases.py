"""Labelled scores for Hypothesis: few distinct values, so that most rows are tied."""

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

TIES = [-2.5, -1e-300, 0.0, 1e-300, 0.1, 0.3, 1.0, 7.0]
#: What "equal to scikit-learn's" is claimed for.
thousand = settings(deadline=None, max_examples=1000)


@st.composite
def labelled_scores(draw, most=40):
    """Both classes, and scores of which most, all or none are tied."""
    n = draw(st.integers(2, most))
    # The rows come from a seed: a thousand arrays drawn one element at a time take minutes.
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    y_true = rng.permutation(np.arange(n) < draw(st.integers(1, n - 1))).astype(np.int64)
    n_distinct = draw(st.integers(1, len(TIES) + 1))
    if n_distinct > len(TIES):
        return y_true, rng.normal(scale=1e6, size=n)
    return y_true, rng.choice(TIES[-n_distinct:], n)


@st.composite
def labels(draw, most=40):
    """True labels and decisions, classes missing included."""
    n = draw(st.integers(1, most))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shares = draw(st.tuples(*[st.sampled_from([0.0, 0.1, 0.5, 1.0])] * 2))
    return tuple((rng.random(n) < share).astype(np.int64) for share in shares)
