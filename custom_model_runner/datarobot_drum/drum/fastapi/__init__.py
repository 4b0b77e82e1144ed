"""The FastAPI front: an ASGI app, and the Uvicorn worker that runs it under Gunicorn's arbiter."""
