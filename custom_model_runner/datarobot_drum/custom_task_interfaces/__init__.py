"""What the `CustomTask` class of a model folder derives from, and the secrets it may be given."""

from __future__ import annotations

from datarobot_drum.custom_task_interfaces.interfaces import (
    AnomalyEstimatorInterface,
    BinaryEstimatorInterface,
    CustomTaskInterface,
    MulticlassEstimatorInterface,
    RegressionEstimatorInterface,
    TransformerInterface,
)
from datarobot_drum.custom_task_interfaces.secret_types import (
    AbstractSecret,
    AdlsGen2OauthSecret,
    ApiTokenSecret,
    AzureSecret,
    AzureServicePrincipalSecret,
    BasicSecret,
    DatabricksAccessTokenAccountSecret,
    GCPKey,
    GCPSecret,
    OauthSecret,
    S3Secret,
    SnowflakeKeyPairUserAccountSecret,
    SnowflakeOauthUserAccountSecret,
    TableauAccessTokenSecret,
)

__all__ = [
    "AbstractSecret",
    "AdlsGen2OauthSecret",
    "AnomalyEstimatorInterface",
    "ApiTokenSecret",
    "AzureSecret",
    "AzureServicePrincipalSecret",
    "BasicSecret",
    "BinaryEstimatorInterface",
    "CustomTaskInterface",
    "DatabricksAccessTokenAccountSecret",
    "GCPKey",
    "GCPSecret",
    "MulticlassEstimatorInterface",
    "OauthSecret",
    "RegressionEstimatorInterface",
    "S3Secret",
    "SnowflakeKeyPairUserAccountSecret",
    "SnowflakeOauthUserAccountSecret",
    "TableauAccessTokenSecret",
    "TransformerInterface",
]
