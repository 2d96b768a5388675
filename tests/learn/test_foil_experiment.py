"""The comparison of ways to impose a rotation runs, says what is true of it, and is taken up again."""

from __future__ import annotations

import json

import pytest

from hamsym.errors import CheckpointError
from learn.experiments import foil
from learn.experiments.foil_report import goals, median, report

TINY = foil.Setting(1, 16, 6, 3, 4, 4, 8, 2, 4, 8, 2, 4, 2)


def test_a_run_writes_what_it_measured_and_is_taken_up_again(tmp_path, monkeypatch):
    monkeypatch.setattr(foil, "QUICK", TINY)
    metrics = foil.run(tmp_path, quick=True, quiet=True)
    rows = {(r["scene"], r["way"]): r for r in metrics["rows"]}
    assert len(rows) == 2 * (2 + len(foil.WAYS))
    for shown in foil.SCENES:
        exact, average = rows[shown, "construction"], rows[shown, "averaging"]
        assert exact["equivariance_of_places"] < 1e-12 and average["equivariance_of_group"] < 1e-12
        assert rows[shown, "places"]["equivariance_of_places"] < 1e-12
        assert rows[shown, "pictures"]["equivariance_of_places"] is None
        assert rows[shown, "truth"]["fit"]["long"] < rows[shown, "still"]["fit"]["long"] / 10
        assert 0 < rows[shown, "loss"]["residual"] and "lambda" not in rows[shown, "none"]
    assert [p["status"] for p in metrics["proofs"].values()] == ["proved", "refuted"]
    assert metrics["construction"][0]["status"] == "proved" and metrics["construction"][0]["checked"]
    assert (tmp_path / "foil.png").stat().st_size > 10_000
    text = (tmp_path / "report.md").read_text()
    assert "**proved**" in text and "**refuted**" in text and "NOT confirmed" not in text
    assert json.loads((tmp_path / "metrics.json").read_text())["rows"] == metrics["rows"]

    again = foil.run(tmp_path, quick=True, resume=True, quiet=True)
    assert again["rows"] == metrics["rows"]
    with pytest.raises(CheckpointError, match="other settings"):
        foil.run(tmp_path, quick=True, seed=1, resume=True, quiet=True)


def test_goals_are_judged_by_the_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr(foil, "QUICK", TINY)
    metrics = foil.run(tmp_path, quick=True, quiet=True)
    before = [met for met, _ in goals(metrics["rows"])]
    assert before[1], "round-off does not depend on training"
    for row in metrics["rows"]:
        if row["way"] == "construction":
            row["equivariance_of_places"] = 1e-3
    assert not goals(metrics["rows"])[1][0] and "**not met**" in report(metrics)
    assert median([{"a": None}, {"a": 1.0}], lambda r: r["a"]) is None
