"""Memory budgets and sweeps, from Python and on the command line."""

import json
import re
import xml.etree.ElementTree

import numpy as np
import pytest
import tfengine
from test_cli import MODEL, call, call_json, command

UNTIMED = dict(time_tactics=False, threads=1)


def least_bytes(model, **options):
    with pytest.raises(tfengine.InvalidArgument, match="expected at least") as caught:
        tfengine.convert(model, memory_budget_bytes=1, **UNTIMED, **options)
    return int(re.search(r"expected at least (\d+),", str(caught.value))[1])


def test_a_budget_is_kept(model, images):
    whole = tfengine.convert(model, batch_size=16, **UNTIMED)
    least = least_bytes(model, batch_size=16)
    engine = tfengine.convert(model, memory_budget_bytes=least, batch_size=16, **UNTIMED)
    assert engine.memory()["peak_bytes"] <= least < whole.memory()["peak_bytes"]
    assert engine.report()["memory_budget"]["chunk"] == 1
    want = whole.run(images[:16])["Identity"]
    np.testing.assert_allclose(engine.run(images[:16])["Identity"], want, atol=1e-5)


def test_int8_is_taken_where_it_is_allowed_and_float_does_not_fit(model, images):
    budget = least_bytes(model) - 1
    engine = tfengine.convert(
        model,
        allowed_precisions=["fp32", "int8"],
        calibration_data=images[:32],
        memory_budget_bytes=budget,
        **UNTIMED,
    )
    assert engine.precision == "int8"
    assert engine.memory()["peak_bytes"] <= budget


def test_the_sweep_has_both_curves(model, images):
    sweep = tfengine.memory_sweep(model, ["fp32", "int8"], calibration_data=images[:32], batch_size=2, threads=1)
    assert sweep.batch_size == 2
    assert {point["precision"] for point in sweep.by_workspace} == {"fp32", "int8"}
    for precision in ("fp32", "int8"):
        points = [point for point in sweep.by_total if point["precision"] == precision]
        totals = [point["total_bytes"] for point in points]
        assert totals == sorted(totals, reverse=True)
        assert all(
            p["total_bytes"] == p["weights_bytes"] + p["activation_bytes"] + p["workspace_bytes"] for p in points
        )
    assert xml.etree.ElementTree.fromstring(sweep.to_svg()).tag.endswith("svg")
    assert json.loads(sweep.to_json())["by_total"] == sweep.by_total


@pytest.mark.skipif(command() is None, reason="the command line is not built")
class TestCommandLine:
    def test_sweep(self, tmp_path):
        result = call_json("tune", MODEL, "--memory-sweep", "--svg", tmp_path / "sweep.svg", "--threads=1")["sweep"]
        assert [point["precision"] for point in result["by_total"]] == ["fp32"] * len(result["by_total"])
        assert xml.etree.ElementTree.parse(tmp_path / "sweep.svg").getroot().tag.endswith("svg")
        done = call("tune", MODEL, "--memory-sweep", "--threads=1")
        assert done.returncode == 0 and "time by total memory" in done.stdout

    def test_budget(self, tmp_path):
        untimed = ["--threads=1", "--no-tactic-timing", "--plan-batch-size=8"]
        refused = call("tune", MODEL, "--memory-budget=1KiB", "-o", tmp_path / "no.tfe", *untimed)
        assert refused.returncode == 2
        least = int(re.search(r"got 1024, expected at least (\d+),", refused.stderr)[1])
        assert not (tmp_path / "no.tfe").exists()
        result = call_json("tune", MODEL, f"--memory-budget={least}", "-o", tmp_path / "small.tfe", *untimed)
        assert result["peak_bytes"] <= least
        memory = call_json("inspect", tmp_path / "small.tfe", "--memory", "--batch-size=8")
        assert memory["peak_bytes"] == result["peak_bytes"]
        converted = call_json("convert", MODEL, f"--memory-budget={least}", "-o", tmp_path / "again.tfe", *untimed)
        assert converted["peak_bytes"] == result["peak_bytes"]

    def test_what_it_needs(self, tmp_path):
        assert call("tune", MODEL).returncode == 2
        assert call("tune", MODEL, "--memory-budget=1MiB").returncode == 2
