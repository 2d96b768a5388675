"""The experiment on disentangled representations runs, says what is true of it, and is taken up again."""

from __future__ import annotations

import json

import numpy as np
import pytest

from hamsym.errors import CheckpointError
from learn.experiments import disentangling, disentangling_films
from learn.experiments.disentangling_report import report, worst

TINY = disentangling.Setting(200, 1, 4, 32, 2, 8, 100, 2, 20, 2)


def test_points_are_what_the_problems_say():
    rings = disentangling.PROBLEMS[0].draw(500, 3)
    first, second = np.hypot(*rings[:, :2].T), np.hypot(*rings[:, 2:].T)
    assert first.std() / first.mean() < 0.2 and abs(np.corrcoef(rings.T)[0, 2]) < 0.2
    assert not np.array_equal(rings[:, :2], rings[:, 2:]) and abs(second.mean() / first.mean() - 1) < 0.1
    pair = disentangling.PROBLEMS[1].draw(500, 3)
    apart, centre = (pair[:, :2] - pair[:, 2:]) / 2**0.5, (pair[:, :2] + pair[:, 2:]) / 2**0.5
    assert np.allclose(np.hypot(*apart.T).mean(), first.mean(), rtol=0.1) and abs(centre.std() - 1) < 0.1


def test_films_show_what_the_states_say_and_latent_states_are_read_off_them():
    rows = disentangling_films.starts(40, 1)
    seen = disentangling_films.films(rows, 2).double().numpy() / 255
    n, extent = disentangling_films.SIZE, disentangling_films.EXTENT
    axis = -extent + 2 * extent / n * (np.arange(n) + 0.5)
    light = seen.sum((-2, -1))
    x, y = (seen.sum(-2) @ axis) / light, (seen.sum(-1) @ axis[::-1]) / light
    found = np.stack([x, y], -1).reshape(40, 2, 4)
    assert np.allclose(found[:, 0], rows[:, :4], atol=0.01)
    h = disentangling_films.DT
    assert np.allclose(found[:, 1], np.cos(h) * rows[:, :4] + np.sin(h) * rows[:, 4:], atol=0.01)
    # each factor of the group turns one body, and its picture alone
    group = disentangling.PROBLEMS[0].group()
    g = group.draw(0, np.random.default_rng(0))
    moved = disentangling_films.films(group.act(g, rows), 2).double().numpy() / 255
    assert np.array_equal(moved[:, :, 1], seen[:, :, 1]) and abs(moved - seen)[:, :, 0].max() > 0.5


def test_a_run_tells_exact_from_free_and_is_taken_up_again(tmp_path, monkeypatch):
    monkeypatch.setattr(disentangling, "QUICK", TINY)
    metrics = disentangling.run(tmp_path, quick=True, quiet=True)
    found = {(r["problem"], r["model"], r["frame"]): r for r in worst(metrics["rows"])}
    passing = {key for key, r in found.items() if r["passes"]}
    assert passing == {
        ("two rotations", "exact flow", "as given"),
        ("two rotations", "exact flow", "found from f"),
        ("centre × rotation", "exact flow", "Jacobi"),
        ("centre × rotation", "exact flow", "found from f"),
    }
    bodies = found["centre × rotation", "exact flow", "body by body"]
    assert bodies["equivariance"][0] < 1e-12 and bodies["product"][0] > 0.5
    assert ("two rotations", "HGN", "best blocks") in found
    assert all(r["failing"] for (_, model, _), r in found.items() if model != "exact flow")
    assert all(
        b == {"status": "proved", "checked": True} for g in metrics["groups"].values() for b in g["brackets"]
    )
    assert (tmp_path / "disentangling.png").stat().st_size > 10_000
    text = (tmp_path / "report.md").read_text()
    assert "all proved to vanish" in text and "NOT" not in text
    with_gaps = json.loads((tmp_path / "metrics.json").read_text())
    with_gaps["rows"][0]["tests"][0]["product"]["value"] = None  # as what is not finite is written
    assert "inf" in report(with_gaps)

    kept = sorted((tmp_path / "rows").iterdir())
    assert len(kept) == 7
    kept[0].unlink()
    again = disentangling.run(tmp_path, quick=True, quiet=True, resume=True)

    def without_times(rows):
        return [{k: v for k, v in r.items() if k != "cpu_seconds"} for r in rows]

    assert without_times(again["rows"]) == without_times(metrics["rows"])
    with pytest.raises(CheckpointError, match="other settings"):
        disentangling.run(tmp_path, quick=True, quiet=True, resume=True, seed=1)
