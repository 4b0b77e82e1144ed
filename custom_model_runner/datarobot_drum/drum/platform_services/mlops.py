"""Reports to the platform by its own library, `datarobot-mlops`."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from datarobot_drum.drum.enum import EMBEDDED
from datarobot_drum.drum.errors import StartupError
from datarobot_drum.drum.platform_services.api_access import endpoint
from datarobot_drum.drum.platform_services.deployment_settings import WantsTexts
from datarobot_drum.drum.platform_services.extras import MLOPS
from datarobot_drum.drum.platform_services.reporting import (
    NO_REPORTS,
    EmbeddedReports,
    Reporter,
    ReportQueue,
    Reports,
    StructuredReports,
)

if TYPE_CHECKING:
    import pandas as pd

    from datarobot_drum.drum.payloads import OutputRules
    from datarobot_drum.drum.settings import ModelSpec, Settings

logger = logging.getLogger("drum.reports")


class MlopsReporter(Reporter):
    """The platform's library, set up for one deployment and one model."""

    def __init__(self, library: Any) -> None:
        self._library = library

    def report_deployment_stats(
        self, num_predictions: int, execution_time: float, *, failed: bool = False
    ) -> None:
        """So many predictions took so many milliseconds."""
        self._library.report_deployment_stats(num_predictions, execution_time, system_error=failed)

    def report_predictions_data(
        self,
        features_df: pd.DataFrame | None = None,
        predictions: list[Any] | None = None,
        association_ids: list[Any] | None = None,
        class_names: list[str] | None = None,
    ) -> None:
        """Rows and what was predicted for them."""
        self._library.report_predictions_data(
            features_df, predictions, association_ids=association_ids, class_names=class_names
        )

    def shutdown(self, timeout: float) -> None:
        """Send what the library holds back, and forget it."""
        library, self._library = self._library, None
        # 0 would be "wait for ever"
        library.shutdown(timeout_sec=max(1, int(timeout)))
        del library
        # its spool file is closed, and so written to its end, only when nothing refers to it
        gc.collect()


def start_reports(spec: ModelSpec, settings: Settings, rules: OutputRules) -> Reports:
    """The reports that the command line asks for; NO_REPORTS where it asks for none.

    StartupError when the library is missing or refuses its settings. Starts a thread, so it is
    called in the process that predicts.
    """
    if spec.reports is None:
        return NO_REPORTS
    if spec.deployment_id is None or spec.model_id is None:
        logger.warning("predictions are not reported: there is no deployment and model to name")
        return NO_REPORTS
    reporter = MlopsReporter(_library(spec, settings))
    calls = ReportQueue(
        reporter,
        settings.report_queue_depth,
        settings.report_queue_bytes,
        settings.report_flush_timeout,
    )
    if spec.reports == EMBEDDED:
        return EmbeddedReports(calls)
    return StructuredReports(
        calls, rules, settings.prompt_column, _wants_texts(spec.deployment_id, settings)
    )


def _wants_texts(deployment_id: str, settings: Settings) -> Callable[[], bool]:
    """Asks the platform where that can be done, else says yes."""
    if not settings.webserver or not settings.api_token:
        return lambda: True
    return WantsTexts(endpoint(settings.webserver), settings.api_token, deployment_id)


def _library(spec: ModelSpec, settings: Settings) -> Any:
    module = MLOPS.load("datarobot_mlops.mlops")
    try:
        library = module.MLOps().set_deployment_id(spec.deployment_id).set_model_id(spec.model_id)
        if settings.monitor_settings:
            library.set_channel_config(settings.monitor_settings)
        else:
            library.set_api_spooler(settings.webserver, settings.api_token)
            library.set_async_reporting()
        library.init()
    except Exception as error:
        # the text may hold the settings, and those a password
        logger.debug("the reporting library failed", exc_info=True)
        raise StartupError(
            f"reports to the platform cannot start ({type(error).__name__}); check the deployment "
            "id, the model id and --monitor-settings"
        ) from None
    logger.info("predictions are reported for deployment %s", spec.deployment_id)
    return library
