"""What model code imports from the package itself."""

from __future__ import annotations

import datarobot_drum
from datarobot_drum.drum.exceptions import BaseCustomUserError


def test_package_offers_the_names_that_model_code_imports():
    assert datarobot_drum.RuntimeParameters.has("NO_SUCH_PARAMETER") is False
    assert issubclass(datarobot_drum.CustomHTTPError, BaseCustomUserError)
    assert datarobot_drum.__version__.count(".") == 2
