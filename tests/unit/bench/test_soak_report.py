"""What makes a soak fail, from journals of runs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from soak_report import Soak, SoakRun, problems, run_text
from soak_samples import Ending, Process, Sample, as_json

GOOD_END = Ending(0, 0, [], [])
TALLY = {"right": {"1 row": 10}, "left": {}, "faults": [], "fault_count": 0}


def process(pid: int, answered: int, rss: float = 100.0, **others: float) -> Process:
    figures = {"pss": 50.0, "descriptors": 20.0, "threads": 9.0, **others}
    return Process(pid, pid != 1, 0.0, answered, rss, **figures)


def sample(number: int, processes: list[Process], **others: int) -> Sample:
    held = {"files": 4, "sockets": 0, "zombies": 0, **others}
    return Sample(seconds=number, requests=number * 1000, processes=processes, **held)


def steady(number: int, growth: float = 0.0) -> Sample:
    workers = [process(pid, number * 500, 100 + growth * number) for pid in (2, 3)]
    return sample(number, [process(1, 0), *workers])


def soak(samples: list[Sample], name: str = "fastapi", **others) -> SoakRun:
    one = Soak(name, samples, others.get("tally", TALLY), others.get("ending", GOOD_END))
    return SoakRun({}, {name: one})


def test_steady_server_has_no_problem():
    run = soak([steady(number) for number in range(60)])
    assert problems(run) == []
    assert "Nothing failed" in run_text(run)


def test_growth_of_workers_is_found_in_the_tree_and_in_a_worker():
    found = problems(soak([steady(number, growth=5) for number in range(60)]))
    assert [text.split(" grows ")[0] for text in found] == [
        "fastapi: rss of all processes",
        "fastapi: rss of a worker",
    ]


def test_descriptors_that_pile_up_are_found():
    workers = [[process(1, 0), process(2, n, descriptors=20 + n)] for n in range(60)]
    found = problems(soak([sample(n, each) for n, each in enumerate(workers)]))
    assert any(text.startswith("fastapi: descriptors of a worker grows") for text in found)


def test_recycled_workers_that_start_anew_are_no_growth():
    samples = []
    for number in range(60):
        life, age = divmod(number, 6)
        workers = [process(10 + life, age * 100, 100 + 20 * age)]
        samples.append(sample(number, [process(1, 0), *workers]))
    assert problems(soak(samples, "fastapi, recycling")) == []


def test_each_generation_larger_than_the_last_is_growth():
    samples = []
    for number in range(60):
        life, age = divmod(number, 6)
        workers = [process(10 + life, age * 100, 100 + 20 * age + 10 * life)]
        samples.append(sample(number, [process(1, 0), *workers]))
    found = problems(soak(samples, "fastapi, recycling"))
    assert any("rss of workers of one age grows" in text for text in found)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"tally": {**TALLY, "fault_count": 2, "faults": ["1 row: wrong"]}}, "2 wrong answers"),
        ({"ending": None}, "not seen to its end"),
        ({"ending": replace(GOOD_END, exit_code=-9)}, "ended with -9"),
        ({"ending": replace(GOOD_END, survivors=1)}, "1 processes outlived"),
        ({"ending": replace(GOOD_END, leftovers=["drum-upload-1"])}, "drum-upload-1"),
        ({"ending": replace(GOOD_END, warnings=["unclosed <socket"])}, "unclosed <socket"),
    ],
)
def test_fault_of_clients_or_of_the_end_is_told(change, said):
    (found,) = problems(soak([steady(number) for number in range(60)], **change))
    assert said in found


@pytest.mark.parametrize("what", ["sockets", "zombies"])
def test_what_is_held_without_clients_is_told(what):
    samples = [steady(number) for number in range(60)]
    for number in (30, 31):
        samples[number] = sample(number, list(samples[number].processes), **{what: 3})
    (found,) = problems(soak(samples))
    assert found.startswith("fastapi: 3 ")
    assert found.endswith("in 2 of 60 samples")


@pytest.mark.parametrize(("number", "count"), [(30, 0), (59, 1)])
def test_what_is_let_go_late_is_told_only_at_the_end(number, count):
    samples = [steady(number) for number in range(60)]
    samples[number] = sample(number, list(samples[number].processes), sockets=1)
    assert len(problems(soak(samples))) == count


def test_too_few_samples_are_told_once():
    assert problems(soak([steady(number) for number in range(4)])) == [
        "fastapi: too few samples to fit all processes, arbiter; soak for longer"
    ]


def test_nothing_soaked_is_a_problem():
    assert problems(SoakRun({}, {})) == ["nothing was soaked"]


def test_sample_comes_back_from_its_json():
    assert Sample.read(as_json(steady(7))) == steady(7)
