"""What a server is told to serve, on its way to a worker."""

from __future__ import annotations

import pytest

from datarobot_drum.drum.settings import ModelSpec, ServeSpec


@pytest.mark.parametrize(
    "spec",
    [
        ServeSpec(ModelSpec("/m")),
        ServeSpec(
            ModelSpec("/m ä", "multiclass", class_labels=("a", "1.0"), language="python"),
            host="::1",
            port=8080,
            with_error_server=True,
            max_workers=3,
        ),
    ],
)
def test_spec_comes_back_from_json_as_it_was(spec):
    assert ServeSpec.from_json(spec.to_json()) == spec


def test_environment_of_a_worker_holds_the_spec():
    spec = ServeSpec(ModelSpec("/m"), port=1)
    assert spec.environment() == {"DRUM_SERVE_SPEC": spec.to_json()}
