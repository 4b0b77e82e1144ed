"""What model code imports from the package itself."""

from __future__ import annotations

import importlib

import pytest

import datarobot_drum
from datarobot_drum.drum.errors import DrumError, SchemaViolation
from datarobot_drum.drum.exceptions import (
    BaseCustomUserError,
    DrumCommonException,
    DrumSchemaValidationException,
)

INTERFACES = (
    "RegressionEstimatorInterface BinaryEstimatorInterface MulticlassEstimatorInterface "
    "AnomalyEstimatorInterface TransformerInterface CustomTaskInterface"
)
SECRETS = (
    "BasicSecret OauthSecret S3Secret AzureSecret AzureServicePrincipalSecret "
    "SnowflakeOauthUserAccountSecret SnowflakeKeyPairUserAccountSecret AdlsGen2OauthSecret "
    "TableauAccessTokenSecret DatabricksAccessTokenAccountSecret ApiTokenSecret GCPSecret"
)
PATHS = {
    "datarobot_drum": "RuntimeParameters CustomHTTPError",
    "datarobot_drum.runtime_parameters": "RuntimeParameters",
    "datarobot_drum.runtime_parameters.exceptions": (
        "RuntimeParameterException InvalidJsonException InvalidRuntimeParam InvalidInputFilePath "
        "InvalidEmptyYamlContent InvalidYamlContent ErrorLoadingRuntimeParameter"
    ),
    "datarobot_drum.custom_task_interfaces": f"{INTERFACES} {SECRETS}",
    "datarobot_drum.drum.common": "get_drum_logger",
    "datarobot_drum.drum.enum": "TargetType",
    "datarobot_drum.drum.exceptions": (
        "DrumCommonException DrumSchemaValidationException DrumTransformException "
        "DrumSerializationError BaseCustomUserError CustomHTTPError"
    ),
}


@pytest.mark.parametrize("path", PATHS)
def test_path_that_model_code_imports_from_has_its_names(path):
    module = importlib.import_module(path)
    assert [name for name in PATHS[path].split() if not hasattr(module, name)] == []


def test_own_errors_are_caught_by_the_names_of_model_code():
    assert issubclass(DrumError, DrumCommonException)
    assert issubclass(SchemaViolation, DrumSchemaValidationException)


def test_package_offers_the_names_that_model_code_imports():
    assert datarobot_drum.RuntimeParameters.has("NO_SUCH_PARAMETER") is False
    assert issubclass(datarobot_drum.CustomHTTPError, BaseCustomUserError)
    assert datarobot_drum.__version__.count(".") == 2
