"""The runner behind the `drum` command; model code imports only `enum` and `exceptions` from here."""
