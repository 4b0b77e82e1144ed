"""Predictors of other languages that model code in Python uses under these names."""
