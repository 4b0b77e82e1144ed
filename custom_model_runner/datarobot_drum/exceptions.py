"""Errors that model code may raise or catch by name, above all parts of the package.

Model code imports them from `datarobot_drum.drum.exceptions`.
"""

from __future__ import annotations


class DrumCommonException(Exception):
    """Anything that this program reports; all of its own errors derive from it."""


class DrumSerializationError(DrumCommonException):
    """A class task cannot be written to its artifact, or not be read from it."""


class DrumSchemaValidationException(DrumCommonException):
    """Data breaks the rules of `typeSchema` in the metadata file."""


class DrumTransformException(DrumCommonException):
    """A transform returned what a transform must not return."""
