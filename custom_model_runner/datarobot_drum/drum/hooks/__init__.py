"""Functions of `custom.py`: the table of hooks and the code that finds and calls them."""
