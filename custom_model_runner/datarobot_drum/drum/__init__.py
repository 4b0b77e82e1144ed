"""The runner behind the `drum` command; model code imports `enum` and `exceptions` only."""
