# SPDX-License-Identifier: Apache-2.0
"""Engines that are the same every time, because nothing is timed."""

import pytest

import tfengine


@pytest.fixture
def made(model, calibration, images):
    """What an INT8 engine made with the options consists of: its steps, and the notes of its report."""

    def make(**options):
        engine = tfengine.convert(model, "int8", calibration=calibration, threads=1, **options)
        steps = [
            [layer[key] for key in ("name", "precision", "tactic")] for layer in engine.profile(images[:1], runs=1)
        ]
        return steps, " ".join(engine.report()["notes"])

    return make


def test_nothing_is_timed(made, untimed):
    by_environment, notes = made()
    assert "measured" not in notes
    by_option, notes = made(time_tactics=False)
    assert "measured" not in notes
    assert by_option == by_environment
    everywhere, _ = made(time_tactics=False, avoid_slow_int8=False)
    assert everywhere == by_option


@pytest.mark.parametrize("value", ["", "1"])
def test_other_values_of_the_variable_time(made, monkeypatch, value):
    monkeypatch.setenv("TFENGINE_TIME_TACTICS", value)
    _, notes = made()
    assert "measured" in notes


def test_a_loaded_engine_keeps_what_was_chosen_and_times_no_other_shape(model, images, tmp_path):
    tfengine.convert(model, threads=1, time_tactics=False).save(tmp_path / "engine.tfe")
    cache = tmp_path / "times"
    engine = tfengine.load(tmp_path / "engine.tfe", time_tactics=False, timing_cache=cache)
    engine.run(images[:3])
    assert not cache.exists()
    tfengine.load(tmp_path / "engine.tfe", timing_cache=cache).run(images[:3])
    assert cache.exists()
