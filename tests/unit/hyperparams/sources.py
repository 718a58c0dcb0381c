"""Source for the tests of parsing."""

HEAD = "from lattice_addons.hyperparams.m import _\n"
