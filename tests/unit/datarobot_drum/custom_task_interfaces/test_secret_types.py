"""User secrets from JSON objects, and that they do not show themselves."""

from __future__ import annotations

from typing import Any

import pytest

from datarobot_drum import custom_task_interfaces as interfaces
from datarobot_drum.custom_task_interfaces.secret_types import (
    SECRET_TYPES,
    secret_from,
    texts_of,
)

GCP: dict[str, Any] = {
    "credential_type": "gcp",
    "gcp_key": {"type": "service_account", "private_key": "k3y"},
}
OBJECTS: list[dict[str, Any]] = [
    {"credential_type": "basic", "username": "u", "password": "p"},
    {"credential_type": "oauth", "token": "t", "refresh_token": "r"},
    {"credential_type": "s3", "aws_access_key_id": "a", "aws_secret_access_key": None},
    {"credential_type": "azure", "azure_connection_string": "c"},
    {
        "credential_type": "azure_service_principal",
        "client_id": "i",
        "client_secret": "s",
        "azure_tenant_id": "t",
    },
    {
        "credential_type": "snowflake_oauth_user_account",
        "client_id": None,
        "client_secret": None,
        "snowflake_account_name": None,
        "oauth_config_id": "c",
    },
    {
        "credential_type": "snowflake_key_pair_user_account",
        "username": "u",
        "private_key_str": "k",
    },
    {
        "credential_type": "adls_gen2_oauth",
        "client_id": "i",
        "client_secret": "s",
        "oauth_scopes": "o",
    },
    {"credential_type": "tableau_access_token", "token_name": "n", "personal_access_token": "t"},
    {"credential_type": "databricks_access_token_account", "databricks_access_token": "t"},
    {"credential_type": "api_token", "api_token": "t"},
    GCP,
]


@pytest.mark.parametrize("content", OBJECTS, ids=lambda content: content["credential_type"])
def test_object_becomes_the_class_of_its_type(content):
    secret = secret_from({**content, "unknown": 1})
    assert secret.credential_type == content["credential_type"]
    for name in content.keys() - {"gcp_key"}:
        assert getattr(secret, name) == content[name]


def test_every_type_is_tried_and_public():
    tried = {content["credential_type"] for content in OBJECTS}
    assert {secret_type.credential_type for secret_type in SECRET_TYPES} == tried
    assert {secret_type.__name__ for secret_type in SECRET_TYPES} <= set(interfaces.__all__)


def test_repr_shows_no_text():
    basic = interfaces.BasicSecret("user1", "pa55word")
    assert repr(basic) == (
        "BasicSecret(username='*****', password='*****', snowflake_account_name=None)"
    )
    shown = f"{secret_from(GCP)}"
    assert "gcp_key=GCPKey(type='*****'" in shown
    assert "k3y" not in shown


def test_texts_are_found_in_nested_objects_too():
    assert set(texts_of(secret_from(GCP))) == {"service_account", "k3y"}


@pytest.mark.parametrize(
    ("secret", "is_partial"),
    [
        (interfaces.S3Secret(config_id="c"), True),
        (interfaces.S3Secret(), False),
        (interfaces.SnowflakeOauthUserAccountSecret(None, None, None, oauth_config_id="c"), True),
        (interfaces.ApiTokenSecret("t"), False),
    ],
)
def test_partial_secret_refers_to_a_configuration(secret, is_partial):
    assert secret.is_partial_secret() is is_partial


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "must be a JSON object"),
        ({}, "Unsupported secret type: None"),
        ({"credential_type": "x"}, "Unsupported secret type: 'x'; use one of basic, oauth"),
        ({"credential_type": ["basic"]}, "Unsupported secret type"),
        ({"credential_type": "basic", "username": "u"}, "needs password"),
        ({"credential_type": "api_token", "api_token": 7}, "'api_token' of a secret is of a wrong"),
        ({"credential_type": "api_token", "api_token": None}, "is of a wrong type"),
        ({"credential_type": "gcp", "gcp_key": "text"}, "'gcp_key' of a secret is of a wrong"),
        ({"credential_type": "gcp", "gcp_key": {}}, "needs type"),
    ],
)
def test_faulty_object_is_refused_with_the_reason(content, message):
    with pytest.raises(ValueError, match=message):
        secret_from(content)
