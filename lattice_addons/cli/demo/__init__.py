"""The program that ``lattice demo`` stops and starts again."""
