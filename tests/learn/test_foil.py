"""Forecasts of turning bodies: the eye, the energies and the direct transforms are as symmetric as they say."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import learn
from hamsym.errors import CheckpointError, HamsymError, ParameterError, ShapeError
from learn.experiments.foil_data import DT, EXTENT, RADIUS, SEEN, SIZE, UNSEEN, scene
from learn.experiments.foil_measures import (
    Still,
    TrueMotion,
    bracket,
    pixel_error,
    state_turning_error,
    turning,
    turning_error,
)
from learn.foil import WAYS, EnergyForecast, Eye, FrameLoss, TurnedPicture, TurnedPlaces, energy
from learn.foil.energies import turn_of_the_plane
from learn.foil.eye import turned_places
from learn.foil.forecasts import turned
from learn.foil.loading import forecast_from
from learn.hnn import HNN
from learn.training.objective import Batch, Progress

BODIES = scene("bodies", 2, trap=False)
TRAPPED = scene("trapped", 2, trap=True)


def eye() -> Eye:
    return Eye(2, DT, size=SIZE, extent=EXTENT, radius=RADIUS).double()


def forecast_of(way: str, seed: int = 0) -> EnergyForecast:
    """With forces that are not small."""
    learned = energy(way, 2, width=16, seed=seed)
    inner = getattr(learned.potential, "function", learned.potential)
    with torch.no_grad():
        inner.network.out.copy_(torch.randn(1, 16, generator=torch.Generator().manual_seed(seed)) / 20)
    forecast = EnergyForecast(eye(), HNN(4, energy=learned)).double()
    forecast.set_unit(*states())
    return forecast


def states() -> tuple[torch.Tensor, torch.Tensor]:
    drawn = BODIES.draw(30, SEEN, 3, 1)
    return drawn.places[:, 1], drawn.momenta[:, 1]


def test_the_rotation_is_a_symmetry_of_one_scene_and_not_of_the_other():
    found = [s.prove() for s in (BODIES, TRAPPED)]
    assert [f["status"] for f in found] == ["proved", "refuted"] and all(f["checked"] for f in found)
    assert list(BODIES.tested) == ["seen", "unseen"] and list(TRAPPED.tested) == ["everywhere"]


def test_what_is_unseen_is_seen_in_no_frame():
    turned_to = []
    for where in (SEEN, UNSEEN):
        x = BODIES.draw(300, where, 11, 0).places[..., :2].numpy()
        angle = np.unwrap(np.arctan2(x[..., 1], x[..., 0]), axis=-1)
        assert (np.diff(angle, axis=-1) > 0).all()
        turned_to.append(angle + 2 * np.pi * (angle[:, :1] < SEEN[0] - 0.2))
    seen, unseen = turned_to
    assert seen.max() < unseen.min() and unseen.max() < seen.min() + 2 * np.pi


def test_the_eye_sees_what_is_drawn_and_moves_as_verlet():
    drawn = BODIES.draw(20, SEEN, 3, 3)
    light = drawn.frames.double() / 255
    looked = eye()
    assert torch.allclose(looked.places(light), drawn.places, atol=1e-3)
    assert torch.allclose(looked.draw(drawn.places), light, atol=0.5 / 255 + 1e-12)
    q, p = looked.read(light)
    # two leapfrog steps with the true force lead from the second frame to the third
    made = TrueMotion(looked, BODIES).places(drawn.places[:, 1], p, 1)
    step = torch.from_numpy(BODIES.draw(20, SEEN, 4, 3).places.numpy())
    assert torch.allclose(made[:, 0], step[:, 3], atol=2e-3)
    assert torch.allclose(q + DT * p, drawn.places[:, 2], atol=0.03)


@pytest.mark.parametrize("way", WAYS)
def test_slopes_of_energies_are_those_of_their_values(way):
    learned = forecast_of(way).model.hamiltonian
    q = states()[0].clone().requires_grad_()
    p = states()[1]
    (slope,) = torch.autograd.grad(learned.value(q, p).sum(), q)
    assert torch.allclose(learned.grad_potential(q), slope, atol=1e-12) and slope.abs().max() > 1e-3
    assert torch.equal(learned.slopes(q, p)[1], p)


def test_construction_is_equivariant_and_the_free_energy_is_not():
    q, p = states()
    angles = [0.1, 1.0, 2.5]
    errors = {way: state_turning_error(forecast_of(way), q, p, angles, 8) for way in WAYS}
    assert errors["invariants"] < 1e-10
    assert min(errors["coordinates"], errors["features"]) > 1e-3
    drawn = BODIES.draw(5, SEEN, 3, 0)
    brackets = {way: bracket(forecast_of(way), BODIES, drawn) for way in WAYS}
    assert brackets["invariants"] < 1e-14 and brackets["coordinates"] > 1e-3


def test_an_average_is_equivariant_under_its_turns_only():
    q, p = states()
    forecast = forecast_of("average")
    group = [2 * math.pi * k / 8 for k in range(8)]
    assert state_turning_error(forecast, q, p, group, 8) < 1e-10
    assert state_turning_error(forecast, q, p, [math.pi / 8], 8) > 1e-9


def test_the_energy_of_invariants_is_proved_for_every_value_of_its_weights():
    from learn.hnn.symmetry import prove

    turn = turn_of_the_plane(2)
    statuses = {
        way: prove(turn, energy(way, 2, width=1).texts).status
        for way in ("coordinates", "features", "invariants")
    }
    assert statuses == {"coordinates": "refuted", "features": "refuted", "invariants": "proved"}


def test_direct_transforms_turn_and_are_equivariant_as_far_as_pixels_go():
    q, p = states()
    places = TurnedPlaces(eye(), width=8).double()
    places.set_unit(q, p)
    with torch.no_grad():
        places.rate.line[1] = 0.3
    assert state_turning_error(places, q, p, [0.3, 2.0], 5) < 1e-13
    made = places.places(q, p, 5).unflatten(-1, (2, 2))
    assert torch.allclose(made.norm(dim=-1)[:, -1], q.unflatten(-1, (2, 2)).norm(dim=-1))
    assert (made[:, -1] - q.unflatten(-1, (2, 2))).norm(dim=-1).min() > 0.01
    # the latent picture: exact under quarter turns where nothing is convolved, by interpolation elsewhere
    light = eye().draw(q)
    quarter = turned(light, torch.full((len(q),), torch.pi / 2, dtype=torch.float64))
    assert torch.allclose(quarter, light.rot90(1, (2, 3)), atol=1e-12)
    angle = torch.full((len(q),), 0.3, dtype=torch.float64)
    again = eye().draw(turned_places(q, torch.tensor(0.3, dtype=torch.float64)))
    assert 1e-3 < (turned(light, angle) - again).abs().max() < 0.2


def test_pictures_are_turned_without_interpolation_error():
    q, _ = states()
    angle = 0.7
    light = eye().draw(q).flatten(-2) @ turning(SIZE, angle).T
    again = eye().draw(turned_places(q, torch.tensor(angle, dtype=torch.float64))).flatten(-2)
    inside = turning(SIZE, angle).abs().sum(1) > 0
    assert (light - again)[..., inside].abs().max() < 3e-4
    there_and_back = turning(SIZE, math.pi / 2) @ turning(SIZE, -math.pi / 2)
    assert torch.allclose(there_and_back[inside], torch.eye(SIZE**2, dtype=torch.float64)[inside], atol=1e-9)
    drawn = BODIES.draw(4, SEEN, 3, 0).places
    assert turning_error(Still(eye()), BODIES, drawn, [0.5, 2.0], 2) < 6e-3


def test_a_short_training_learns_what_construction_carries_over():
    train = BODIES.draw(60, SEEN, 7, 0)
    tests = {name: BODIES.draw(30, where, 7, 1) for name, where in BODIES.tested.items()}
    errors = {}
    for way in ("coordinates", "average"):
        model = EnergyForecast(
            Eye(2, DT, size=SIZE, extent=EXTENT), HNN(4, energy=energy(way, 2, width=16, seed=0))
        )
        learn.fit(
            FrameLoss(model), (train.frames, train.places), steps=120, batch=16, lr=1e-2, progress=False
        )
        errors[way] = {name: pixel_error(model, drawn) for name, drawn in tests.items()}
    still = pixel_error(Still(eye()), tests["seen"])
    assert errors["coordinates"]["seen"] < still / 5 < errors["coordinates"]["unseen"]
    assert errors["average"]["unseen"] < 2 * errors["average"]["seen"] < still / 5


def test_augmentation_trains_on_turned_rows_and_draws_them_again():
    drawn = BODIES.draw(6, SEEN, 5, 0)
    objective = FrameLoss(TurnedPlaces(Eye(2, DT, extent=EXTENT), width=4), redraw=BODIES.render)
    light, _ = objective.transform(drawn[:2], torch.Generator().manual_seed(0))
    places = objective.forecast.eye.places(light).double()
    assert not torch.allclose(places, drawn.places, atol=0.1)
    gram, turned_gram = (
        (x.unflatten(-1, (2, 2)) @ x.unflatten(-1, (2, 2)).mT) for x in (drawn.places, places)
    )
    assert torch.allclose(gram, turned_gram, atol=2e-3)


def test_forecasts_grow_and_the_constraint_is_in_the_loss():
    drawn = BODIES.draw(4, SEEN, 11, 0)
    turn = [turn_of_the_plane(2)]
    for sampling in ("data", "orbit"):
        constraint = learn.BracketConstraint(turn, sampling=sampling, tolerance=1e-3)
        objective = FrameLoss(forecast_of("coordinates"), constraint=constraint)
        batch = Batch(objective.transform(drawn[:2], torch.Generator()))
        loss, numbers = objective.loss(batch, torch.Generator().manual_seed(0), Progress(0, 10))
        penalty = numbers["lambda"][0] * (numbers["residual"][0] - 1e-3)
        assert (
            float((loss - numbers["pixels"]).detach()) == pytest.approx(penalty)
            and numbers["residual"][0] > 1e-8
        )
        late = objective.loss(batch, torch.Generator().manual_seed(0), Progress(10, 10))[1]
        assert late["pixels"] > numbers["pixels"]  # eight frames are harder than two
        objective.after_step({"residual": [1.0]}, Progress(1, 10))
        state = objective.state()
        objective.constraint.reset()
        objective.restore(state)
        assert objective.state() == state


def test_forecasts_are_read_back_and_a_training_is_taken_up_again(tmp_path):
    drawn = BODIES.draw(8, SEEN, 5, 0)
    makes = {
        "energy": lambda: EnergyForecast(
            Eye(2, DT, extent=EXTENT), HNN(4, energy=energy("average", 2, width=8, elements=4))
        ),
        "places": lambda: TurnedPlaces(Eye(2, DT, extent=EXTENT), width=8),
        "pictures": lambda: TurnedPicture(Eye(2, DT, extent=EXTENT), width=8, channels=2),
    }
    light = drawn.frames[:, :3].float() / 255
    for name, make in makes.items():
        whole, halves, out = make(), make(), tmp_path / name
        options = {"batch": 4, "seed": 1, "progress": False}
        learn.fit(FrameLoss(whole), drawn[:2], steps=4, **options)

        def stop(step, _):
            if step == 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            learn.fit(FrameLoss(halves), drawn[:2], steps=4, out=out, callback=stop, **options)
        again = make()
        learn.fit(FrameLoss(again), drawn[:2], steps=4, out=out, resume=True, **options)
        assert torch.equal(again(light, 2), whole(light, 2))
        read = learn.load(out)
        assert type(read) is type(whole) and torch.equal(read(light, 2), whole(light, 2))
    bad = {"width": 10**6, "channels": 0, "forecast": "Path", "dtype": "int8", "depth": True}
    good = whole.config()
    for key, value in bad.items():
        with pytest.raises(ValueError, match="it "):
            forecast_from(good | {key: value}, whole.state_dict())
    mine = EnergyForecast(Eye(2, DT), HNN(4, energy=lambda q, p: (q.square() + p.square()).sum(-1) / 2))
    with pytest.raises(CheckpointError, match="of your own"):
        mine.config()


def test_wrong_input_is_refused_in_words():
    with pytest.raises(ParameterError, match="the ways of an energy"):
        energy("magic", 2)
    with pytest.raises(ParameterError, match="no"):
        FrameLoss(TurnedPlaces(Eye(2, DT, extent=EXTENT)), constraint=learn.BracketConstraint("p1"))
    with pytest.raises(ShapeError, match="3 frames"):
        Eye(2, DT, extent=EXTENT).read(torch.zeros(1, 4, 2, 32, 32))
    with pytest.raises(ShapeError, match="channel"):
        TurnedPicture(Eye(2, DT, extent=EXTENT), width=4)(torch.zeros(1, 3, 1, 32, 32), 2)
    with pytest.raises(ShapeError, match="given frames"):
        FrameLoss(TurnedPlaces(Eye(2, DT, extent=EXTENT))).transform(
            (torch.zeros(1, 3, 2, 32, 32), torch.zeros(1, 3, 4)), torch.Generator()
        )


@pytest.mark.parametrize(
    "sizes", [{"width": 10**6}, {"width": "x"}, {"width": 0}, {"depth": 10**6}, {"depth": True}]
)
def test_networks_of_no_size_are_refused_before_they_are_allocated(sizes):
    for made in (
        lambda: energy("invariants", 2, **sizes),
        lambda: TurnedPlaces(Eye(2, 0.1, size=8), **sizes),
    ):
        with pytest.raises(ParameterError, match=r"width|depth"):
            made()


def forecasts():
    eye = Eye(2, 0.1, size=8)
    return (
        EnergyForecast(eye, HNN(4, energy=energy("invariants", 2, width=4))),
        TurnedPlaces(eye, width=4),
        TurnedPicture(eye, width=4, channels=2),
    )


@pytest.mark.parametrize("steps", [0, -1, 1.5, "x", None, True, 10**12])
def test_a_number_of_frames_that_is_none_is_refused(steps):
    for forecast in forecasts():
        with pytest.raises(ParameterError, match="steps"):
            forecast(torch.rand(2, 3, 2, 8, 8), steps)


@pytest.mark.parametrize(
    "frames",
    [
        None, [[1.0]], np.zeros((2, 3, 2, 8, 8)), torch.full((2, 3, 2, 8, 8), torch.nan), torch.rand(2, 3, 2, 8, 8).double(),
        torch.zeros(2, 3, 2, 8, 8, dtype=torch.uint8), torch.zeros(2, 3, 2, 8, 8, dtype=torch.complex64),
    ],
)  # fmt: skip
def test_frames_that_an_eye_cannot_read_are_refused(frames):
    for forecast in forecasts():
        with pytest.raises(HamsymError):
            forecast(frames, 2)


def test_no_films_have_no_frames_that_follow():
    for forecast in forecasts():
        assert forecast(torch.rand(0, 3, 2, 8, 8), 4).shape == (0, 4, 2, 8, 8)


@pytest.mark.parametrize("call", [
    lambda: FrameLoss(None),
    lambda: FrameLoss(HNN(1, width=4)),
    lambda: FrameLoss(forecasts()[0], constraint=3),
    lambda: FrameLoss(forecasts()[0], redraw=3),
    lambda: EnergyForecast(None, HNN(4, width=4)),
    lambda: EnergyForecast(Eye(2, 0.1, size=8), None),
    lambda: EnergyForecast(Eye(2, 0.1, size=8), HNN(3, width=4)),
    lambda: learn.fit(FrameLoss(forecasts()[0]), torch.zeros(4, 5, 2, 8, 8), steps=1, batch=2, progress=False),
])  # fmt: skip
def test_parts_of_a_forecast_that_are_none_are_refused(call):
    with pytest.raises(HamsymError):
        call()
