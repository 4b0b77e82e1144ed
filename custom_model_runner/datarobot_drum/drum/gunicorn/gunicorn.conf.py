"""What the arbiter of both production servers is told; assignments only."""

from __future__ import annotations

from datarobot_drum.drum.gunicorn import config as _config

_arbiter = _config.ArbiterConfig.from_environment()
_settings = _arbiter.settings

bind = _arbiter.bind
workers = _settings.workers
worker_class = _arbiter.worker_class
threads = _arbiter.threads
worker_connections = _arbiter.worker_connections
worker_tmp_dir = _arbiter.worker_tmp_dir
timeout = _arbiter.timeout
graceful_timeout = _arbiter.graceful_timeout
keepalive = _settings.keep_alive
backlog = _settings.backlog
max_requests = _arbiter.max_requests
max_requests_jitter = _settings.max_requests_jitter
loglevel = "debug" if _settings.server_log_level == "trace" else _settings.server_log_level
certfile = _settings.ssl_certfile
keyfile = _settings.ssl_keyfile
ca_certs = _settings.ssl_ca_certs
cert_reqs = _settings.ssl_cert_reqs
# any method that is a token reaches the app, which answers 405
permit_unconventional_http_method = True
proc_name = "drum"
logger_class = "datarobot_drum.drum.gunicorn.logs.ArbiterLogger"
preload_app = False
# two servers with one home folder would collide, and a home folder may not be writable
control_socket_disable = True
ssl_context = _config.ssl_context(_settings, worker_class)
# in the hands of a class of socket that has a deadline for it
do_handshake_on_connect = True
# the front applies the rule of trusted proxies, on every server in the same way
forwarded_allow_ips = ""
pre_fork = _config.prepare_worker
post_fork = _config.enter_worker
on_starting = _config.open_figures
child_exit = _config.forget_worker
on_exit = _config.close_figures
post_worker_init = _config.start_worker
worker_exit = _config.end_worker
