"""One module for each framework whose programs carry on; import the one that you use."""

# Names of modules: none is imported before it is asked for, since each imports its framework.
__all__ = ["ipython", "jax", "keras", "lightgbm", "lightning", "sklearn", "transformers", "xgboost"]
