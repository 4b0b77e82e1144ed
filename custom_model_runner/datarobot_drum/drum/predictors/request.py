"""What the loader of any language is told: the folder, the target and the settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from datarobot_drum.drum.model_folder import ModelMetadata, Target
from datarobot_drum.drum.settings import ModelSpec, Settings

if TYPE_CHECKING:
    from datarobot_drum.drum.payloads import OutputRules


@dataclass(frozen=True)
class LoadRequest:
    """Which folder to load, with what its metadata and the command line say of it."""

    spec: ModelSpec
    settings: Settings
    metadata: ModelMetadata | None
    target: Target
    language: str

    @property
    def code_dir(self) -> str:
        """The model folder, an absolute path."""
        return self.spec.code_dir

    def rules(self, *, legacy_order: bool = True) -> OutputRules:
        """The checks of the target type; without `legacy_order` the setting for it is ignored."""
        # probes are answered before pandas is there
        from datarobot_drum.drum.payloads import OutputRules

        return OutputRules(
            target_type=self.target.type,
            labels=self.target.labels,
            positive_label=self.target.positive_label,
            negative_label=self.target.negative_label,
            target_name=self.target.name,
            legacy_label_order=self.settings.legacy_label_order and legacy_order,
            check_row_count=self.settings.check_row_count,
        )
