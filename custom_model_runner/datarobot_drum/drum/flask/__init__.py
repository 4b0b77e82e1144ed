"""The Flask front: a WSGI app for the development server and for Gunicorn."""
