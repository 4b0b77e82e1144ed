"""Every import that model code of the reference relies on works, each in a fresh interpreter."""

from __future__ import annotations

import subprocess
import sys

import pytest

SECRETS = """
    AdlsGen2OauthSecret ApiTokenSecret AzureSecret AzureServicePrincipalSecret
    BasicSecret DatabricksAccessTokenAccountSecret GCPSecret OauthSecret S3Secret
    SnowflakeKeyPairUserAccountSecret SnowflakeOauthUserAccountSecret TableauAccessTokenSecret
"""
INTERFACES = """
    AnomalyEstimatorInterface BinaryEstimatorInterface MulticlassEstimatorInterface
    RegressionEstimatorInterface TransformerInterface
"""
PARAMETER_EXCEPTIONS = """
    ErrorLoadingRuntimeParameter InvalidEmptyYamlContent InvalidInputFilePath InvalidJsonException
    InvalidRuntimeParam InvalidYamlContent RuntimeParameterException
"""
PUBLIC = {
    "datarobot_drum": "CustomHTTPError RuntimeParameters",
    "datarobot_drum.runtime_parameters": "RuntimeParameters",
    "datarobot_drum.runtime_parameters.exceptions": PARAMETER_EXCEPTIONS,
    "datarobot_drum.custom_task_interfaces": INTERFACES + SECRETS,
    "datarobot_drum.drum.common": "get_drum_logger",
    "datarobot_drum.drum.enum": "TargetType",
    "datarobot_drum.drum.exceptions": "BaseCustomUserError CustomHTTPError DrumCommonException",
    "datarobot_drum.drum.language_predictors.java_predictor.java_predictor": "JavaPredictor",
    "datarobot_drum.drum.root_predictors.drum_inline_utils": "drum_inline_predictor",
}
CASES = [(module, name) for module, names in PUBLIC.items() for name in names.split()]


@pytest.mark.parametrize(("module", "name"), CASES)
def test_name_can_be_imported_by_model_code(module, name):
    line = f"from {module} import {name}"
    done = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
