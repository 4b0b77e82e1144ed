"""Java models for model code in Python."""
