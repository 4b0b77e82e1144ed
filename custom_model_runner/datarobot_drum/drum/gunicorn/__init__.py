"""The Gunicorn arbiter, parent of the workers of both production servers."""
