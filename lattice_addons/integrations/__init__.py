"""One module for each framework whose programs carry on; import the one that you use."""
