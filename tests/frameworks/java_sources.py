"""Compiles the Java models of the tests into jars."""

from __future__ import annotations

import subprocess
from pathlib import Path
from zipfile import ZipFile

HERE = Path(__file__).resolve().parent
OWN = HERE / "OwnPredictor.java"
SCORING_CODE = HERE / "scoring_code"
DRIVERLESS = HERE / "driverless"
SERVICE = "META-INF/services/com.datarobot.prediction.IPredictorInfo"


def make_jar(jar: Path, sources: list[Path], *, service: str | None = None) -> None:
    """Compile; `service` is the class that `Predictors.getPredictor` is to find."""
    classes = jar.with_name(f"{jar.stem}-classes")
    subprocess.run(["javac", "-d", classes, *sources], check=True, timeout=120)
    with ZipFile(jar, "w") as archive:
        for path in sorted(classes.rglob("*.class")):
            archive.write(path, path.relative_to(classes))
            path.unlink()
        if service is not None:
            archive.writestr(SERVICE, service)


def make_scoring_code(jar: Path) -> None:
    """Scoring code with its interfaces in one jar."""
    make_jar(jar, sorted(SCORING_CODE.rglob("*.java")), service="model.Code")
