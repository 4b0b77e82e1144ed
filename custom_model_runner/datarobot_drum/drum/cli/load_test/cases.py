"""What is sent: the sizes of the reference, or what the command line asks for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from datarobot_drum.drum.cli.load_test.load import Closed, Load, Open
from datarobot_drum.drum.errors import InvalidInput, UsageError

if TYPE_CHECKING:
    import pandas as pd

KB = 1024
MB = KB * KB
LARGEST = 50 * MB
#: Seconds of a load when only its rate is given.
DEFAULT_SECONDS = 10
CSV = "text/csv"
#: The rows, the file they make, and the request around it exist at the same time.
COPIES = 3


@dataclass(frozen=True)
class Case:
    """A size, and how it is sent."""

    label: str
    samples: int
    load: Load

    @property
    def title(self) -> str:
        """What the progress line says."""
        if isinstance(self.load, Open):
            how = f"{self.load.rate:g} requests/s for {self.load.seconds:g} s"
        elif self.load.iterations is None:
            how = f"{self.load.clients} clients for {self.load.seconds:g} s"
        else:
            how = f"{self.load.iterations} iterations"
            how += f", {self.load.clients} clients" if self.load.clients > 1 else ""
        return f"{self.label} - {self.samples} samples, {how}"


@dataclass(frozen=True)
class Wanted:
    """What the command line says about the load."""

    samples: int | None = None
    iterations: int | None = None
    rates: tuple[float, ...] = ()
    seconds: float | None = None
    clients: int = 1


@dataclass(frozen=True)
class Data:
    """The rows of the input as CSV, to be sent in any number."""

    features: int
    rows: int
    header: bytes
    body: bytes
    frame: pd.DataFrame

    @property
    def row_size(self) -> float:
        """Bytes of a row, on average."""
        return len(self.body) / self.rows

    def csv(self, samples: int) -> bytes:
        """A CSV file of so many rows; those of the input are repeated."""
        whole, rest = divmod(samples, self.rows)
        tail = self.frame.head(rest).to_csv(index=False, header=False).encode() if rest else b""
        return b"".join((self.header, *[self.body] * whole, tail))


def read_data(path: str) -> Data:
    """The input, ready to be sent; InvalidInput when it is no table with rows."""
    frame = _frame(path)
    if not len(frame):
        raise InvalidInput(f"{path} has no rows; give at least one")
    header = frame.head(0).to_csv(index=False).encode()
    body = frame.to_csv(index=False, header=False).encode()
    return Data(frame.shape[1], len(frame), header, body, frame)


def _frame(path: str) -> pd.DataFrame:
    """A CSV file as text, so that its cells are sent as they are; any other format as values."""
    import pandas as pd

    from datarobot_drum.drum.payloads import Payload, media_type_for_file, read_table

    media_type, parameters = media_type_for_file(path)
    content = Path(path).read_bytes()
    frame = read_table(Payload(content, media_type=media_type, parameters=parameters))
    if media_type != CSV:
        return frame
    # read above, too: it refuses what is no CSV with a message of its own
    return pd.read_csv(path, dtype=str, keep_default_na=False, na_filter=False)


def check_size(data: Data, samples: int, available: int) -> None:
    """Refuse so many rows as UsageError when their request cannot be built in this memory."""
    size = len(data.body) * samples // data.rows
    if size * COPIES > available:
        raise UsageError(
            f"--samples {samples}: a request of about {size // MB} MB does not fit into the "
            f"memory that is free, {available // MB} MB; use fewer"
        )


def make_cases(data: Data, wanted: Wanted) -> list[Case]:
    """The cases in the order in which they run."""
    if wanted.rates or wanted.seconds:
        samples = wanted.samples or 1
        label = size_label(samples * data.row_size)
        return [Case(label, samples, load) for load in _loads(wanted)]
    if wanted.samples or wanted.iterations:
        samples = wanted.samples or data.rows
        load = Closed(wanted.clients, wanted.iterations or 1)
        return [Case(size_label(samples * data.row_size), samples, load)]
    rows = LARGEST / data.row_size
    sizes = [
        (size_label(data.row_size), 1.0, 100),
        ("0.1MB", rows / 500, 50),
        ("10MB", rows / 5, 5),
        ("50MB", rows, 1),
    ]
    return [
        Case(label, max(1, int(samples)), Closed(wanted.clients, iterations))
        for label, samples, iterations in sizes
    ]


def _loads(wanted: Wanted) -> list[Load]:
    if not wanted.rates:
        return [Closed(wanted.clients, seconds=wanted.seconds)]
    seconds = wanted.seconds or DEFAULT_SECONDS
    return [Open(rate, seconds) for rate in wanted.rates]


def size_label(size: float) -> str:
    """A number of bytes for people."""
    if size < KB:
        return f"{size:.0f} bytes"
    return f"{size / KB:.0f} KB" if size < MB else f"{size / MB:.1f} MB"
