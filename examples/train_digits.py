"""Incremental training on the digits that scikit-learn ships; stopped at any batch, it carries on there.

Run it, kill it, run it again: the weights end up the same to the last bit as those of a run that was left alone.
"""

from __future__ import annotations

import hashlib

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier

from lattice_addons import StateManagerGroup

EPOCHS = 10
BATCH = 60
SEED = 7


def main() -> None:
    """Train, and print the accuracy and a digest of the weights."""
    images, labels = load_digits(return_X_y=True)
    images = images / 16.0

    group = StateManagerGroup()
    group.register("model")
    group.register("noise")

    model = group.get("model")
    if model is None:
        model = SGDClassifier(loss="log_loss", learning_rate="constant", eta0=0.01, random_state=SEED)
    noise = group.get("noise")
    if noise is None:
        noise = np.random.default_rng(SEED)
    group.update("model", model)
    group.update("noise", noise)

    for epoch in group.resume(range(EPOCHS), "epoch"):
        # The order depends on the epoch alone, so that an epoch that is resumed has the order it began with.
        order = np.random.default_rng([SEED, epoch]).permutation(len(images))
        for start in group.resume(range(0, len(order), BATCH), "batch"):
            batch = order[start : start + BATCH]
            noisy = images[batch] + noise.normal(scale=0.05, size=(len(batch), images.shape[1]))
            model.partial_fit(noisy, labels[batch], classes=range(10))
            print("batch", epoch, start, flush=True)

    weights = hashlib.sha256(model.coef_.tobytes() + model.intercept_.tobytes()).hexdigest()
    print("accuracy", round(float(model.score(images, labels)), 4))
    print("weights", weights)
    group.complete()


if __name__ == "__main__":
    main()
