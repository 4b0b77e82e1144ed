"""Every model folder that framework tests score and serve, as data."""

from __future__ import annotations

from dataclasses import dataclass

BINARY = ("--positive-class-label", "yes", "--negative-class-label", "no")
#: of a multiclass and of a multilabel target
MULTICLASS = ("--class-labels", "a", "b", "c")

#: the environments of the example folders that need one
TEMPLATE_ENVIRONMENTS = {
    "java_h2o_binary": "java",
    "python3_catboost": "trees",
    "python3_keras": "keras",
    "python3_lightgbm": "trees",
    "python3_onnx": "onnx",
    "python3_pytorch": "torch",
    "python3_xgboost": "trees",
    "r_regression": "r",
}


@dataclass(frozen=True)
class Case:
    """One folder: who makes it, how it is served, and how near the answers must come."""

    #: `<script>-<name>`; the function `name` of the script trains it
    name: str
    #: a module in this folder: `python -m tests.frameworks.<script> <name> <folder>`
    script: str
    target_type: str
    #: the row of `ENVIRONMENTS` it needs; None for the package's own dependencies
    environment: str | None
    #: as `/info/` tells it; None for the languages that have no such entry
    predictor: str | None
    labels: tuple[str, ...] = ()
    #: does the model give values without labels, so that their order is agreed on?
    is_bare: bool = False
    #: absolute, for answers near 1; float32 models differ by rounding
    tolerance: float = 1e-6

    @property
    def id(self) -> str:
        """What names it among all."""
        return f"{self.script.removeprefix('train_')}-{self.name}"

    @property
    def arguments(self) -> tuple[str, ...]:
        """How `drum` is told its target."""
        return ("--target-type", self.target_type, *self.labels)


def _sklearn(name: str, target_type: str, labels: tuple[str, ...] = ()) -> Case:
    return Case(name, "train_sklearn", target_type, None, "scikit-learn", labels, tolerance=1e-9)


def _r(name: str, target_type: str, labels: tuple[str, ...] = ()) -> Case:
    return Case(name, "train_r", target_type, "r", None, labels, tolerance=1e-9)


def _java(
    name: str, target_type: str, labels: tuple[str, ...] = (), predictor: str | None = None
) -> Case:
    return Case(name, "train_java", target_type, "java", predictor, labels)


CASES = (
    _sklearn("pickle_regression", "regression"),
    _sklearn("joblib_binary", "binary", BINARY),
    _sklearn("pickle_anomaly", "anomaly"),
    Case("booster_binary", "train_xgboost", "binary", "trees", "xgboost", BINARY, is_bare=True),
    Case("booster_multiclass", "train_xgboost", "multiclass", "trees", "xgboost", MULTICLASS),
    Case("pipeline_regression", "train_xgboost", "regression", "trees", "xgboost"),
    Case("text_binary", "train_lightgbm", "binary", "trees", "lightgbm", BINARY, is_bare=True),
    Case("pickle_multiclass", "train_lightgbm", "multiclass", "trees", "lightgbm", MULTICLASS),
    Case("wrapper_regression", "train_lightgbm", "regression", "trees", "scikit-learn"),
    Case("native_binary", "train_catboost", "binary", "trees", "catboost", BINARY),
    Case("native_regression", "train_catboost", "regression", "trees", "catboost"),
    Case("pickle_multiclass", "train_catboost", "multiclass", "trees", "catboost", MULTICLASS),
    Case("pipeline_binary", "train_skops", "binary", "trees", "scikit-learn", BINARY),
    Case("matrix_binary", "train_onnx", "binary", "onnx", "onnx", BINARY, is_bare=True),
    Case("zipmap_multiclass", "train_onnx", "multiclass", "onnx", "onnx", MULTICLASS),
    Case("matrix_multilabel", "train_onnx", "multilabel", "onnx", "onnx", MULTICLASS),
    Case("columns_regression", "train_onnx", "regression", "onnx", "onnx"),
    Case("pickle_binary", "train_torch", "binary", "torch", "torch", BINARY, is_bare=True),
    Case("script_multiclass", "train_torch", "multiclass", "torch", "torch", MULTICLASS),
    Case("script_regression", "train_torch", "regression", "torch", "torch"),
    Case("native_binary", "train_keras", "binary", "keras", "keras", BINARY, is_bare=True),
    Case("hdf5_multiclass", "train_keras", "multiclass", "keras", "keras", MULTICLASS),
    Case("hdf5_regression", "train_keras", "regression", "keras", "keras"),
    _java("mojo_regression", "regression"),
    _java("mojo_binary", "binary", BINARY),
    _java("pojo_multiclass", "multiclass", MULTICLASS),
    _java("own_regression", "regression"),
    _java("code_binary", "binary", BINARY),
    _java("pmml_regression", "regression", predictor="pmml"),
    _java("pmml_multiclass", "multiclass", ("--class-labels", "c d", "b", "a"), "pmml"),
    _r("lm_regression", "regression"),
    _r("glm_binary", "binary", BINARY),
    _r("rpart_multiclass", "multiclass", MULTICLASS),
    _r("odd_labels_multiclass", "multiclass", ("--class-labels", "1", "b/c", "d e")),
    _r("lda_multiclass", "multiclass", MULTICLASS),
    _r("anomaly", "anomaly"),
    _r("hooks_regression", "regression"),
)
