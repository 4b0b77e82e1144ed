"""PyTorch modules, beyond what the cases show."""

from __future__ import annotations

import pandas as pd
import pytest

from datarobot_drum.drum.errors import HookError, StartupError
from datarobot_drum.drum.predictors.registry import load_artifact

pytestmark = pytest.mark.framework("torch")


def save(folder, model):
    import torch

    torch.save(model, folder / "model.pth")
    return folder / "model.pth"


def test_module_is_loaded_in_evaluation_mode(tmp_path):
    from torch import nn

    assert not load_artifact(save(tmp_path, nn.Dropout())).training


def test_module_without_parameters_predicts(tmp_path, answer):
    from torch import nn

    save(tmp_path, nn.ReLU())
    frame = answer("regression", pd.DataFrame({"a": [-1, 2]}))
    assert frame["Predictions"].tolist() == [0, 2]


def test_state_dict_needs_a_hook_and_is_told_so(tmp_path):
    from torch import nn

    with pytest.raises(StartupError, match="holds weights .* in a load_model hook"):
        load_artifact(save(tmp_path, nn.Linear(3, 1).state_dict()))


def test_state_dict_is_served_through_a_hook(tmp_path, data, answer):
    import torch
    from torch import nn

    model = nn.Linear(3, 1)
    save(tmp_path, model.state_dict())
    (tmp_path / "custom.py").write_text(
        "import os, torch\n"
        "def load_model(code_dir):\n"
        "    model = torch.nn.Linear(3, 1)\n"
        "    model.load_state_dict(torch.load(os.path.join(code_dir, 'model.pth')))\n"
        "    return model\n"
    )
    with torch.no_grad():
        expected = model(torch.tensor(data.table.to_numpy("float32"))).reshape(-1)
    assert answer("regression", data.table)["Predictions"].tolist() == expected.tolist()


def test_safetensors_are_served_through_the_documented_hook(
    tmp_path, data, answer, documented_hook
):
    import torch
    from safetensors.torch import save_file
    from torch import nn

    model = nn.Linear(3, 1)
    save_file(model.state_dict(), tmp_path / "weights.safetensors")
    documented_hook("safetensors")
    with torch.no_grad():
        expected = model(torch.tensor(data.table.to_numpy("float32"))).reshape(-1)
    assert answer("regression", data.table)["Predictions"].tolist() == expected.tolist()


@pytest.mark.parametrize("content", [[1, 2], "text"])
def test_file_of_something_else_is_told(tmp_path, content):
    with pytest.raises(StartupError, match=r"holds a \w+, not a torch.nn.Module"):
        load_artifact(save(tmp_path, content))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off"])
def test_file_that_was_cut_off_is_told(tmp_path, content):
    (tmp_path / "model.pth").write_bytes(content)
    with pytest.raises(StartupError, match="Could not load model from the artifact file"):
        load_artifact(tmp_path / "model.pth")


@pytest.mark.parametrize("table", [pd.DataFrame({"a": ["x"]}), pd.DataFrame({"a": [1], "b": [2]})])
def test_table_that_does_not_fit_is_the_models_failure(tmp_path, table, answer):
    from torch import nn

    save(tmp_path, nn.Linear(1, 1))
    with pytest.raises(HookError, match="Failure when making predictions. Exception: "):
        answer("regression", table)
