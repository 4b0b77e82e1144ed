"""What a platform wants to happen before a model is loaded."""

from __future__ import annotations

from collections.abc import Mapping

from datarobot_drum.drum.settings import ModelSpec, Settings


def prepare(spec: ModelSpec, settings: Settings, environ: Mapping[str, str]) -> None:
    """Fetch model files and set up the platform's client, each where it is asked for.

    Any failure is a StartupError. Runs in the process, and on the thread, that loads the model.
    """
    if settings.lazy_loading is not None:
        from datarobot_drum.drum.platform_services import lazy_loading, s3

        downloads = lazy_loading.read_downloads(settings.lazy_loading, spec.code_dir, environ)
        s3.fetch(downloads, spec.code_dir)
    if spec.allow_api_access:
        from datarobot_drum.drum.platform_services.api_access import connect

        connect(settings.webserver, settings.api_token)
