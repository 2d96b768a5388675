"""Animated GIFs: what is in the file is what was given, and bad films are refused."""

import numpy as np
import pytest
import torch
from PIL import Image

from hamsym.errors import HamsymError, NonFiniteError, ParameterError, ShapeError
from learn.evaluation.animation import save_gif


def read(path):
    with Image.open(path) as found:
        pictures = []
        for k in range(found.n_frames):
            found.seek(k)
            pictures.append(np.array(found.convert("L")))
        return np.stack(pictures), found.info


def test_films_come_back_from_the_file(tmp_path):
    film = np.random.default_rng(0).random((7, 6, 10))
    other = torch.linspace(0, 1, 3)[:, None, None].expand(3, 6, 10)
    save_gif(
        tmp_path / "two.gif",
        {"a": {"x": film, "y": other}, "b": {"x": (255 * film).astype(np.uint8)}},
        scale=5,
    )
    found, info = read(tmp_path / "two.gif")
    assert len(found) == 7 and info["loop"] == 0 and info["duration"] == 100
    left = found[:, 14 - 2 : 14 - 2 + 30, 2:52][:, 2::5, 2::5] / 255
    assert np.abs(left - film).max() < 1 / 31
    right = found[:, 12:42, 54:104][:, 15, 25]
    assert (
        right[0] == 0 and right[2] == 255 and (right[2:] == 255).all()
    )  # the short film stops at its last picture
    below = found[:, 44 + 12 : 44 + 12 + 30, 2:52][:, 2::5, 2::5] / 255
    assert np.abs(below - film).max() < 1 / 31 + 1 / 255
    labels = found[0, :12]
    assert (labels < 128).any() and (found[0, 44:56, 54:] == 255).all()  # no label without a film


def test_files_of_films_of_this_house_are_small(tmp_path):
    x = np.linspace(-1, 1, 32)
    centre = np.cos(np.linspace(0, 9, 61))
    film = np.exp(-((x - centre[:, None, None]) ** 2 + x[:, None] ** 2) / 0.04)
    save_gif(tmp_path / "a.gif", {r: dict.fromkeys("pqrs", film) for r in "xyz"}, scale=4)
    assert (tmp_path / "a.gif").stat().st_size < 1_500_000


@pytest.mark.parametrize(
    ("rows", "error", "words"),
    [
        ({}, ParameterError, "no film"),
        ({"a": {}}, ParameterError, "no film"),
        ({"a": {"x": np.zeros((3, 4))}}, ShapeError, "a: x"),
        ({"a": {"x": np.zeros((0, 4, 4))}}, ShapeError, "a: x"),
        ({"a": {"x": np.zeros((2, 4, 4), complex)}}, ShapeError, "complex"),
        ({"a": {"x": np.zeros((2, 4, 4)), "y": np.zeros((2, 4, 5))}}, ShapeError, "one size"),
        ({"a": {"x": np.full((2, 4, 4), np.nan)}}, NonFiniteError, "not finite"),
        ({"a": {"x": np.zeros((2, 4000, 4000))}}, ParameterError, "too many"),
    ],
)
def test_bad_films_leave_no_file(tmp_path, rows, error, words):
    with pytest.raises(error, match=words) as caught:
        save_gif(tmp_path / "bad.gif", rows, scale=2)
    assert isinstance(caught.value, HamsymError) and not list(tmp_path.iterdir())
    with pytest.raises(HamsymError, match="scale"):
        save_gif(tmp_path / "bad.gif", {"a": {"x": np.zeros((2, 4, 4))}}, scale=0)


@pytest.mark.parametrize(
    "given",
    [
        {"path": None}, {"path": 3.5}, {"path": "a\0b"}, {"path": "."}, {"rows": None}, {"rows": [1]}, {"rows": {"a": np.eye(3)}},
        {"rows": {"a": {"b": [[1], [1, 2]]}}}, {"rows": {"a": {"b": torch.rand(2, 3, 3).bfloat16()}}},
        {"seconds_per_frame": 1e5}, {"seconds_per_frame": 1e300},
    ],
)  # fmt: skip
def test_what_no_gif_can_be_made_of_is_refused(tmp_path, given):
    whole = {"path": tmp_path / "x.gif", "rows": {"a": {"b": np.zeros((2, 4, 4))}}} | given
    with pytest.raises(HamsymError):
        save_gif(whole.pop("path"), whole.pop("rows"), **whole)
    assert not any(tmp_path.iterdir())
