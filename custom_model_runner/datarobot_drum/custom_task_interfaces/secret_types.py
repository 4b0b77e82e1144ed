"""The kinds of user secrets: what each holds, and how one is made from its JSON object.

Their `repr` never shows a text, so that a secret in a log line or a traceback tells nothing.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

MASK = "*****"

_T = TypeVar("_T")


class _Masked:
    """A dataclass whose `repr` shows `*****` for each text."""

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={_shown(value)}" for name, value in _items(self))
        return f"{type(self).__name__}({shown})"


def _items(value: Any) -> Iterator[tuple[str, Any]]:
    return ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))


def _shown(value: Any) -> str:
    return repr(MASK) if isinstance(value, str) else repr(value)


@dataclass(frozen=True, repr=False)
class AbstractSecret(_Masked):
    """What all secrets have in common."""

    #: the value of `credential_type` that stands for the class
    credential_type: ClassVar[str]

    def is_partial_secret(self) -> bool:
        """Does it only refer to a shared configuration, which holds the rest?"""
        names = ("config_id", "oauth_config_id")
        return any(getattr(self, name, None) is not None for name in names)


@dataclass(frozen=True, repr=False)
class BasicSecret(AbstractSecret):
    """User name and password."""

    credential_type = "basic"
    username: str
    password: str
    snowflake_account_name: str | None = None


@dataclass(frozen=True, repr=False)
class OauthSecret(AbstractSecret):
    """OAuth tokens."""

    credential_type = "oauth"
    token: str
    refresh_token: str


@dataclass(frozen=True, repr=False)
class S3Secret(AbstractSecret):
    """Keys of Amazon S3."""

    credential_type = "s3"
    aws_access_key_id: str | None = None
    aws_secret_access_key: str | None = None
    aws_session_token: str | None = None
    config_id: str | None = None


@dataclass(frozen=True, repr=False)
class AzureSecret(AbstractSecret):
    """Connection string of Azure."""

    credential_type = "azure"
    azure_connection_string: str


@dataclass(frozen=True, repr=False)
class AzureServicePrincipalSecret(AbstractSecret):
    """Service principal of Azure."""

    credential_type = "azure_service_principal"
    client_id: str
    client_secret: str
    azure_tenant_id: str


@dataclass(frozen=True, repr=False)
class SnowflakeOauthUserAccountSecret(AbstractSecret):
    """OAuth account of Snowflake; the first three must be given but may be null."""

    credential_type = "snowflake_oauth_user_account"
    client_id: str | None
    client_secret: str | None
    snowflake_account_name: str | None
    oauth_issuer_type: str | None = None
    oauth_issuer_url: str | None = None
    oauth_scopes: str | None = None
    oauth_config_id: str | None = None


@dataclass(frozen=True, repr=False)
class SnowflakeKeyPairUserAccountSecret(AbstractSecret):
    """Key pair account of Snowflake."""

    credential_type = "snowflake_key_pair_user_account"
    username: str | None
    private_key_str: str | None
    passphrase: str | None = None
    config_id: str | None = None


@dataclass(frozen=True, repr=False)
class AdlsGen2OauthSecret(AbstractSecret):
    """OAuth client of Azure Data Lake Storage."""

    credential_type = "adls_gen2_oauth"
    client_id: str
    client_secret: str
    oauth_scopes: str


@dataclass(frozen=True, repr=False)
class TableauAccessTokenSecret(AbstractSecret):
    """Access token of Tableau."""

    credential_type = "tableau_access_token"
    token_name: str
    personal_access_token: str


@dataclass(frozen=True, repr=False)
class DatabricksAccessTokenAccountSecret(AbstractSecret):
    """Access token of Databricks."""

    credential_type = "databricks_access_token_account"
    databricks_access_token: str


@dataclass(frozen=True, repr=False)
class ApiTokenSecret(AbstractSecret):
    """A token."""

    credential_type = "api_token"
    api_token: str


@dataclass(frozen=True, repr=False)
class GCPKey(_Masked):
    """Key of a Google service account."""

    type: str
    project_id: str | None = None
    private_key_id: str | None = None
    private_key: str | None = None
    client_email: str | None = None
    client_id: str | None = None
    auth_uri: str | None = None
    token_uri: str | None = None
    auth_provider_x509_cert_url: str | None = None
    client_x509_cert_url: str | None = None


@dataclass(frozen=True, repr=False)
class GCPSecret(AbstractSecret):
    """A Google service account."""

    credential_type = "gcp"
    gcp_key: GCPKey | None = None
    config_id: str | None = None


SECRET_TYPES: tuple[type[AbstractSecret], ...] = (
    BasicSecret,
    OauthSecret,
    S3Secret,
    AzureSecret,
    AzureServicePrincipalSecret,
    SnowflakeOauthUserAccountSecret,
    SnowflakeKeyPairUserAccountSecret,
    AdlsGen2OauthSecret,
    TableauAccessTokenSecret,
    DatabricksAccessTokenAccountSecret,
    ApiTokenSecret,
    GCPSecret,
)


def secret_from(content: Any) -> AbstractSecret:
    """The secret that a decoded JSON object describes; fields that its type lacks are dropped.

    Raises ValueError, whose text never repeats a value besides `credential_type`.
    """
    if not isinstance(content, dict):
        raise ValueError("a secret must be a JSON object")
    types = {secret_type.credential_type: secret_type for secret_type in SECRET_TYPES}
    name = content.get("credential_type")
    if not isinstance(name, str) or name not in types:
        raise ValueError(f"Unsupported secret type: {name!r}; use one of {', '.join(types)}")
    return _made(types[name], content)


def _made(cls: type[_T], content: Mapping[str, Any]) -> _T:
    types = typing.get_type_hints(cls)
    fields = dataclasses.fields(cls)  # type: ignore[arg-type]  # all secrets are dataclasses
    needed = [field.name for field in fields if field.default is dataclasses.MISSING]
    if missing := [name for name in needed if name not in content]:
        raise ValueError(f"a secret of this type needs {', '.join(missing)}")
    given = (field.name for field in fields if field.name in content)
    return cls(**{name: _value(name, content[name], types[name]) for name in given})


def _value(name: str, value: Any, wanted: Any) -> Any:
    """A text, a null where that is allowed, or the nested object."""
    kinds = typing.get_args(wanted) or (wanted,)
    if isinstance(value, kinds):
        return value
    if GCPKey in kinds and isinstance(value, dict):
        return _made(GCPKey, value)
    raise ValueError(f"field {name!r} of a secret is of a wrong type")


def texts_of(secret: Any) -> Iterator[str]:
    """Every text that a secret holds."""
    for _, value in _items(secret):
        if isinstance(value, str):
            yield value
        elif dataclasses.is_dataclass(value):
            yield from texts_of(value)
