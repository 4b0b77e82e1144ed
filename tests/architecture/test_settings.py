"""Every setting has a test that shows the effect of another value than its default.

A new setting needs a row here. A row names a test, `file::function`, or a case of the contract,
`contract::name of the case`; several where one alone does not show it.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest
from tests.contract.cases.all_cases import CASES

from datarobot_drum import drum
from datarobot_drum.drum.settings import InferenceSettings, Settings

TESTS = Path(__file__).resolve().parents[1]
PACKAGE = Path(drum.__file__).parent
UNIT = "unit/datarobot_drum/drum"
EFFECTS = "operations/test_settings_effects.py"
TLS = "operations/test_tls.py"
TRACES = "operations/test_traces.py"
LOGS = "operations/test_logs.py"
COMMANDS = f"{UNIT}/predictors/inference/test_commands.py"
PROMPTS = f"{UNIT}/predictors/inference/test_openai_model.py::"
EVENTS = f"{UNIT}/predictors/inference/test_events.py"
JAVA = f"{UNIT}/predictors/test_java_folder.py"
MLOPS = f"{UNIT}/platform_services/test_mlops.py"
PARAMETERS = f"{PROMPTS}test_parameters_of_the_prompts_are_those_of_the_operator"
LIMITS = f"{COMMANDS}::test_vllm_takes_limits_unless_the_arguments_have_them"
NIM = f"{COMMANDS}::test_nim_gets_everything_in_its_environment"

LEAK = "operations/test_memory_trend.py::test_leak_of_a_model_is_warned_of_and_in_the_metrics"

#: Seen on each of the three server types.
ON_EVERY_SERVER = {
    "server_type": "functional/test_drum_server_fastapi.py::"
    "test_server_type_is_read_from_the_runtime_parameter",
    "json_logging": f"{LOGS}::test_json_is_the_form_of_every_line",
    "access_log": f"{UNIT}/observability/test_access_log.py::test_access_log_can_be_turned_off",
    "access_log_query": f"{LOGS}::test_json_is_the_form_of_every_line",
    "metrics_enabled": "contract::metrics that are off",
    "otlp_endpoint": f"{TRACES}::test_spans_are_those_of_the_table",
    "otel_disabled": f"{TRACES}::test_opentelemetry_can_be_turned_off",
    "otel_server_spans": f"{TRACES}::test_server_span_is_the_parent_where_it_is_asked_for",
    "memory_leak_enabled": LEAK,
    "memory_leak_threshold_mb": LEAK,
    "memory_leak_sample_window": LEAK,
    "enable_ui": "operations/test_status_page.py::test_every_worker_tells_the_errors_of_all",
    "enable_docs": "contract/test_docs_pages.py::"
    "test_pages_and_all_they_load_come_from_this_server",
    "max_upload_size": "functional/test_servers.py::"
    "test_body_over_the_limit_is_refused_whether_declared_or_chunked",
    "max_body_bytes_held": "contract/test_bounded_load.py::test_bodies_hold_so_many_bytes_at_most",
    "url_prefix": "functional/test_drum_server_fastapi.py::test_everything_is_below_the_prefix",
    "header_timeout": "operations/test_slow_clients.py::"
    "test_slow_clients_are_cut_and_others_answered_meanwhile",
    "trusted_proxies": "contract/test_edges.py::"
    "test_record_tells_the_client_behind_trusted_proxies_only",
    "rate_limit_enabled": "functional/test_drum_server_fastapi.py::"
    "test_rate_limit_and_security_headers_hold_on_the_wire",
    "rate_limit_rpm": "contract/test_edges.py::test_client_that_sends_too_much_is_answered_429",
    "rate_limit_burst": f"{EFFECTS}::test_burst_limits_what_comes_within_a_second",
    "rate_limit_storage": f"{EFFECTS}::test_counts_are_kept_in_the_storage",
    "cors_enabled": "contract::CORS on 422",
    "cors_origins": "contract::preflight of another origin",
    "cors_methods": f"{EFFECTS}::test_methods_and_headers_of_pages_are_those_of_the_settings",
    "cors_headers": f"{EFFECTS}::test_methods_and_headers_of_pages_are_those_of_the_settings",
    "cors_credentials": "contract::CORS with credentials",
    "ssl_certfile": f"{TLS}::test_current_versions_of_tls_are_spoken",
    "ssl_keyfile": f"{TLS}::test_current_versions_of_tls_are_spoken",
    "ssl_keyfile_password": f"{TLS}::test_files_that_cannot_be_used_end_the_start",
    "ssl_ca_certs": f"{TLS}::test_required_client_certificate_lets_its_owner_in_only",
    "ssl_cert_reqs": f"{TLS}::test_required_client_certificate_lets_its_owner_in_only",
    "ssl_ciphers": f"{TLS}::test_ciphers_are_those_of_the_operator",
    "ssl_version": f"{UNIT}/test_tls.py::test_obsolete_version_is_warned_of_and_has_no_effect",
    "request_timeout": "operations/test_bounded_load.py::"
    "test_prediction_over_the_timeout_is_504_and_the_next_one_is_served",
    "queue_depth": "operations/test_bounded_load.py::"
    "test_full_line_answers_at_once_without_waiting_for_a_body",
    "queue_timeout": "contract/test_load.py::"
    "test_request_that_waits_too_long_is_refused_and_never_runs",
    "ignore_server_extensions": "functional/test_custom_fastapi_extensions.py::"
    "test_fastapi_extension_only_stops_other_servers_unless_it_is_ignored",
    "graceful_timeout": "operations/test_signals.py::"
    "test_requests_that_do_not_end_are_cut_with_an_answer",
    "pre_stop_delay": "operations/test_signals.py::"
    "test_server_listens_for_the_pre_stop_delay_and_says_that_it_drains",
    "use_watchdog": "functional/test_watchdog.py::"
    "test_server_that_hangs_is_ended_with_all_it_has_started",
    "watchdog_request_timeout": "functional/test_watchdog.py::"
    "test_server_that_hangs_is_ended_with_all_it_has_started",
    "watchdog_max_attempts": "functional/test_watchdog.py::"
    "test_server_that_hangs_is_ended_with_all_it_has_started",
    "watchdog_period": "functional/test_watchdog.py::"
    "test_server_that_hangs_is_ended_with_all_it_has_started",
    "watchdog_host": f"{UNIT}/test_watchdog.py::test_settings_decide_the_rest",
}
#: Seen on gunicorn and fastapi: the development server is one process without a supervisor.
ON_PRODUCTION_SERVERS = {
    "workers": "functional/test_servers.py::test_two_workers_each_have_a_model",
    "max_requests": "operations/test_workers.py::test_recycling_loses_nothing",
    "max_requests_jitter": f"{EFFECTS}::test_worker_is_not_replaced_before_its_jitter",
    "backlog": f"{EFFECTS}::test_connections_that_nobody_accepts_wait_in_a_short_line",
    "keep_alive": f"{EFFECTS}::test_idle_connection_is_closed_when_its_time_is_over",
    "server_log_level": f"{LOGS}::test_json_is_the_form_of_every_line",
}
ON_GUNICORN = {
    "gunicorn_worker_class": "functional/test_servers.py::"
    "test_other_gunicorn_worker_classes_answer",
    "gunicorn_threads": f"{EFFECTS}::test_threads_and_connections_of_a_thread_worker_are_bounded",
    "worker_connections": f"{EFFECTS}::test_threads_and_connections_of_a_thread_worker_are_bounded",
}
ON_FASTAPI = {
    "executor_workers": "contract/test_async_hooks.py::"
    "test_sync_code_beside_async_hooks_runs_on_as_many_threads_as_before",
    "max_concurrent_requests": "contract/test_async_hooks.py::"
    "test_as_many_requests_wait_in_hooks_as_the_setting_says",
    "limit_concurrency": f"{EFFECTS}::test_connections_beyond_the_limit_are_refused",
    "uvicorn_loop": f"{EFFECTS}::test_event_loop_is_the_one_that_was_chosen",
}
#: Seen where the model is, which is the same code on every server and in `drum score`.
IN_MODELS = {
    "target_name": f"{UNIT}/model_folder/test_target.py::"
    "test_target_name_of_the_environment_beats_that_of_the_metadata",
    "llm_id": "contract::/models by LLM_ID",
    "legacy_label_order": f"{UNIT}/predictors/test_load.py::test_settings_reach_the_model",
    "check_row_count": "contract::regression: one too few where that is allowed",
    "prompt_column": PARAMETERS,
    "moderation_required": f"{UNIT}/platform_services/test_moderation.py::"
    "test_missing_library_is_refused_where_moderation_is_required",
    "monitor_settings": f"{MLOPS}::test_structured_reports_reach_the_spool",
    "report_queue_depth": f"{MLOPS}::test_bounds_of_the_settings_hold",
    "report_queue_bytes": f"{MLOPS}::test_bounds_of_the_settings_hold",
    "report_flush_timeout": f"{MLOPS}::test_bounds_of_the_settings_hold",
    "webserver": "functional/test_platform_services.py::"
    "test_deployment_may_refuse_the_texts_of_chats",
    "api_token": "functional/test_platform_services.py::"
    "test_deployment_may_refuse_the_texts_of_chats",
    "lazy_loading": "functional/test_platform_services.py::"
    "test_workers_fetch_files_once_before_the_code_is_imported",
    "java_xmx": f"{JAVA}::test_variables_choose_memory_class_and_class_path",
    "java_predictor_class": f"{JAVA}::test_variables_choose_memory_class_and_class_path",
    "java_class_path": f"{JAVA}::test_variables_choose_memory_class_and_class_path",
    "java_shared_jars": f"{JAVA}::test_variables_choose_memory_class_and_class_path",
}
IN_COMMANDS = {
    "container_engine": f"{UNIT}/cli/test_container.py::test_engine_can_be_chosen",
    "score_chunk_rows": f"{UNIT}/cli/test_score.py::"
    "test_artifact_alone_is_scored_in_chunks_of_the_setting",
    "fit_check_timeout": f"{UNIT}/training/test_train.py::test_check_that_takes_too_long_is_ended",
}
GROUPS = (
    *(ON_EVERY_SERVER, ON_PRODUCTION_SERVERS, ON_GUNICORN, ON_FASTAPI),
    *(IN_MODELS, IN_COMMANDS),
)
#: Those of `InferenceSettings`.
OF_INFERENCE_SERVERS = {
    "host": f"{COMMANDS}::test_server_is_where_the_settings_say",
    "port": f"{COMMANDS}::test_server_is_where_the_settings_say",
    "client_timeout": f"{PROMPTS}test_server_that_is_slow_is_a_gateway_timeout",
    "direct_access_timeout": "contract/test_direct_access.py::test_answer_that_is_too_slow_is_504",
    "system_prompt": PARAMETERS,
    "max_tokens": PARAMETERS,
    "n": PARAMETERS,
    "temperature": PARAMETERS,
    "served_model_name": NIM,
    "verify_ssl": f"{EVENTS}::test_certificate_of_the_platform_is_checked_unless_told_otherwise",
    "max_watchdog_restarts": "functional/test_managed_server.py::"
    "test_server_that_dies_too_often_ends_the_process",
    "max_watchdog_backoff": "functional/test_managed_server.py::"
    "test_server_that_dies_is_started_again",
    "gpu_count": f"{COMMANDS}::test_vllm_uses_all_gpus_unless_the_arguments_say_how_many",
    "nim_host": f"{COMMANDS}::test_server_is_where_the_settings_say",
    "nim_port": f"{COMMANDS}::test_server_is_where_the_settings_say",
    "nim_health_route": f"{COMMANDS}::test_server_is_where_the_settings_say",
    "ngc_api_key": NIM,
    "nim_model_profile": NIM,
    "nim_max_model_len": NIM,
    "nim_log_level": NIM,
    "hugging_face_token": f"{COMMANDS}::test_vllm_gets_its_token_in_the_environment_only",
    "model": f"{COMMANDS}::test_vllm_takes_the_model_of_the_parameter",
    "max_model_len": LIMITS,
    "gpu_memory_utilization": LIMITS,
    "default_parallelism": f"{COMMANDS}::test_vllm_uses_all_gpus_unless_the_arguments_say_how_many",
    "endpoint": f"{EVENTS}::test_platform_is_told_the_stage",
    "api_token": f"{EVENTS}::test_platform_is_told_the_stage",
    "deployment_id": f"{EVENTS}::test_platform_is_told_the_stage",
    "virtual_env": f"{COMMANDS}::test_child_finds_its_own_python",
}


def test_every_setting_is_in_one_group():
    told = [name for group in GROUPS for name in group]
    assert sorted(told) == sorted(Settings.model_fields)
    assert sorted(OF_INFERENCE_SERVERS) == sorted(InferenceSettings.model_fields)


@pytest.mark.parametrize("group", [*GROUPS, OF_INFERENCE_SERVERS])
def test_tests_of_a_group_exist(group):
    missing = [place for place in group.values() if not exists(place)]
    assert missing == []


def exists(place: str) -> bool:
    file, _, name = place.partition("::")
    return name in ({case.id for case in CASES} if file == "contract" else functions_of(file))


@cache
def functions_of(file: str) -> frozenset[str]:
    tree = ast.parse((TESTS / file).read_text())
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))
