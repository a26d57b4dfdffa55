"""The scorer ranks anomalies above normal rows in scikit-learn's own model selection."""

import pickle

import numpy as np
import pytest
from sklearn.ensemble import IsolationForest
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from aeanom.metrics import roc_auc_score, roc_auc_scorer


@pytest.fixture
def rows(rng):
    X = np.concatenate([rng.normal(size=(90, 3)), rng.normal(5.0, 1.0, size=(10, 3))])
    return X, np.repeat([0, 1], [90, 10])


def test_scorer_is_the_auc_of_the_negated_score_samples(rows):
    X, y = rows
    forest = IsolationForest(n_estimators=10, random_state=0).fit(X)
    assert roc_auc_scorer(forest, X, y) == roc_auc_score(y, -forest.score_samples(X)) > 0.9


def test_grid_search_over_a_pipeline_reports_the_auc_and_not_its_complement(rows):
    X, y = rows
    pipeline = make_pipeline(StandardScaler(), IsolationForest(random_state=0))
    search = GridSearchCV(
        pipeline,
        {"isolationforest__n_estimators": [5, 10]},
        scoring=roc_auc_scorer,
        cv=StratifiedKFold(2),
    ).fit(X, y)
    assert search.best_score_ > 0.95


def test_scorer_can_be_sent_to_worker_processes():
    assert pickle.loads(pickle.dumps(roc_auc_scorer)) is roc_auc_scorer
