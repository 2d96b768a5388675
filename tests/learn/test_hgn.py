"""Hamiltonian generative networks: reversible motion of latent states, what pictures see, the objective, checkpoints."""

import copy
import json

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

import hamsym as hs
import learn
from hamsym.errors import CheckpointError, NonFiniteError, NotSeparableError, ParameterError, ShapeError
from learn.hgn import HGN, VideoELBO
from learn.hgn.energies import KINDS, build
from learn.hgn.objective import blurring, kl_to_standard
from learn.training.objective import Batch, Progress

by_energy = pytest.mark.parametrize("hamiltonian", KINDS)


def small(**options):
    return HGN(**{"size": 8, "dim": 2, "width": 16, "seed": 3, **options})


def films(count=6, frames=9, size=8, seed=0):
    return torch.rand(count, frames, size, size, generator=torch.Generator().manual_seed(seed))


def some_states(dim=2, count=5):
    return torch.randn(2, count, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


# -- motion --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hamiltonian", ["natural", "separable"])
def test_the_way_back_ends_where_it_began(hamiltonian):
    model = small(hamiltonian=hamiltonian).double()
    q0, p0 = some_states()
    q, p = model.rollout(q0, p0, 40)
    assert (q[:, -1] - q0).abs().max() > 0.1
    back = model.rollout(q[:, -1], p[:, -1], 40, dt=-model.dt)
    assert (back[0][:, -1] - q0).abs().max() < 1e-10 and (back[1][:, -1] - p0).abs().max() < 1e-10


def test_half_a_step_has_a_quarter_of_the_error():
    model = small(hamiltonian="separable").double()
    q0, p0 = some_states()

    def end(finer):
        return model.rollout(q0, p0, 8 * finer, dt=model.dt / finer)[0][:, -1]

    truth = model.rollout(q0, p0, 8 * 64, dt=model.dt / 64, method="yoshida4")[0][:, -1]
    errors = [(end(finer) - truth).norm().item() for finer in (4, 8)]
    assert np.log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.15)


def test_frames_in_between_belong_to_the_same_motion():
    model = small().double()
    q0, p0 = some_states()
    fine = model.rollout(q0, p0, 20, dt=0.05)[0]
    assert torch.equal(fine[:, ::5], model.rollout(q0, p0, 20, dt=0.05, save_every=5)[0])


@by_energy
def test_a_step_keeps_volume_and_follows_the_energy(hamiltonian):
    model = small(hamiltonian=hamiltonian).double()
    q0, p0 = (x[0] for x in some_states())

    def step(s):
        q, p = model.rollout(s[None, :2], s[None, 2:], 1, dt=0.02)
        return torch.cat([q[0, -1], p[0, -1]])

    jacobian = torch.func.jacrev(step)(torch.cat([q0, p0]))
    # Runge-Kutta of a joint energy keeps it to its order only
    assert float(torch.linalg.det(jacobian)) == pytest.approx(
        1, abs=1e-8 if hamiltonian == "joint" else 1e-12
    )
    energies = [
        model.energy(*(x[:, i] for x in model.rollout(q0[None], p0[None], 200, dt=0.005))) for i in (0, -1)
    ]
    assert float((energies[1] - energies[0]).detach().abs()) < 1e-4


@by_energy
def test_slopes_are_those_of_the_energy(hamiltonian):
    H = build(hamiltonian, 3, 8, 2).double()
    q, p = (x.requires_grad_() for x in some_states(3))
    found = torch.autograd.grad(H.value(q, p).sum(), (q, p))
    assert all(torch.allclose(a, b, atol=1e-12) for a, b in zip(H.slopes(q, p), found, strict=True))


def test_coordinates_move_by_the_slope_of_the_kinetic_energy_and_not_by_p():
    model = small().double()
    model.hamiltonian.kinetic.factor.data = torch.tensor([[2.0, 0.0], [1.0, 0.5]], dtype=torch.float64)
    q0, p0 = some_states()
    inverse_mass = model.hamiltonian.kinetic.factor @ model.hamiltonian.kinetic.factor.T
    half = p0 - 0.05 * model.hamiltonian.grad_potential(q0)
    q = model.rollout(q0, p0, 1, dt=0.1)[0][:, -1]
    assert torch.allclose(q, q0 + 0.1 * half @ inverse_mass, atol=1e-12)


def test_a_joint_energy_is_not_split():
    model = small(hamiltonian="joint")
    with pytest.raises(NotSeparableError):
        model.rollout([[0.0, 0.0]], [[1.0, 0.0]], 1, method="leapfrog")


# -- pictures ------------------------------------------------------------------------------------------------


def test_pictures_see_coordinates_only():
    model = small()
    q0, p0 = (x.float() for x in some_states())
    slow, fast = (model.decode(model.rollout(q0, p, 3)[0]) for p in (p0, p0 + 1))
    assert torch.equal(slow[:, 0], fast[:, 0])
    assert not torch.equal(slow[:, 1], fast[:, 1])


def test_a_film_backward_is_that_of_the_reversed_momentum():
    """K is even in p here, so running backward is running forward with the other momentum."""
    model = small().double()
    film = films()
    q0, p0 = model.states(film)
    assert torch.allclose(
        model.predict(film, 7, dt=-model.dt), model.decode(model.rollout(q0, -p0, 7)[0]), atol=1e-12
    )


def test_bytes_and_numbers_are_the_same_film():
    model = small()
    film = torch.randint(256, (2, 5, 8, 8), dtype=torch.uint8)
    whole = model.encode(film.float() / 255).mean
    assert torch.equal(model.encode(film).mean, whole)
    assert torch.equal(model.encode(film.numpy()).mean, whole)
    assert torch.equal(model.encode(film.unsqueeze(2)).mean, whole)


def test_the_encoder_looks_at_the_first_frames_only():
    model = small()
    film = films()
    assert torch.equal(model.encode(film).mean, model.encode(film[:, :5]).mean)
    assert model.predict(film, 20, save_every=4).shape == (6, 6, 8, 8)


@pytest.mark.parametrize("networks", ["dense", "maps"])
def test_colours_have_an_axis(networks):
    model = HGN(size=8, channels=3, frames=2, width=8, seed=0, networks=networks)
    assert model.predict(torch.rand(2, 2, 3, 8, 8), 1).shape == (2, 2, 3, 8, 8)
    assert model.sample(2, 1, seed=0).shape == (2, 2, 3, 8, 8)


def test_samples_come_from_the_seed():
    model = small()
    assert torch.equal(model.sample(3, 2, seed=1), model.sample(3, 2, seed=1))
    assert not torch.equal(model.sample(3, 2, seed=1), model.sample(3, 2, seed=2))


# -- refusals ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("film", "error"),
    [
        (torch.zeros(1, 5, 8, 9), ShapeError),
        (torch.zeros(1, 5, 3, 8, 8), ShapeError),
        (torch.zeros(5, 8, 8), ShapeError),
        (torch.zeros(1, 4, 8, 8), ShapeError),
        (torch.full((1, 5, 8, 8), torch.nan), NonFiniteError),
        (torch.full((1, 5, 8, 8), 1.01), ParameterError),
        (torch.full((1, 5, 8, 8), -0.1), ParameterError),
        (torch.full((1, 5, 8, 8), 200), ParameterError),
        (torch.zeros(1, 5, 8, 8, dtype=torch.bool), ParameterError),
        (np.zeros((1, 5, 8, 8), complex), ParameterError),
        (np.full((1, 5, 8, 8), "a"), ParameterError),
    ],
)
def test_films_that_are_none_are_refused(film, error):
    with pytest.raises(error):
        small().encode(film)


@pytest.mark.parametrize(
    "options",
    [
        {"dim": 0}, {"size": 0}, {"channels": 0}, {"frames": 1}, {"width": 0}, {"depth": 0}, {"dt": 0.0}, {"dt": float("nan")},
        {"hamiltonian": "friction"}, {"networks": "wavelets"}, {"width": 10**6}, {"networks": "maps", "size": 24},
        {"networks": "maps", "dim": 3}, {"seed": -1},
    ],
)  # fmt: skip
def test_models_that_make_no_sense_are_refused(options):
    with pytest.raises(ParameterError):
        small(**options)


@pytest.mark.parametrize(
    "options",
    [
        {"tolerance": 0},
        {"frames": 3},
        {"looks": 0},
        {"growth": 2.0},
        {"focus": -0.5},
        {"blur": 0},
        {"initial": 0},
    ],
)
def test_objectives_that_make_no_sense_are_refused(options):
    with pytest.raises(ParameterError):
        VideoELBO(small(), **options)


def test_states_of_another_shape_are_refused():
    model = small()
    with pytest.raises(ShapeError):
        model.rollout(torch.zeros(2, 3), torch.zeros(2, 3), 1)
    with pytest.raises(ShapeError):
        model.rollout(torch.zeros(2, 2), torch.zeros(3, 2), 1)
    with pytest.raises(ShapeError):
        model.decode(torch.zeros(2, 3))
    with pytest.raises(NonFiniteError):
        model.decode(torch.full((1, 2), torch.inf))
    with pytest.raises(ShapeError, match="at least 20 frames"):
        learn.fit(VideoELBO(model, frames=20), films(), steps=1, progress=False)


# -- the objective -------------------------------------------------------------------------------------------


def test_the_divergence_is_that_of_torch():
    mean, sd = torch.randn(4, 3), torch.rand(4, 3) + 0.1
    found = kl_to_standard(mean, sd)
    expected = kl_divergence(Normal(mean, sd), Normal(0.0, 1.0)).sum(-1)
    assert torch.allclose(found, expected, atol=1e-6) and bool((found >= 0).all())


def test_the_loss_is_what_it_says():
    """With all frames looked at, in focus, and no noise left in the posterior: the error of the film that is predicted."""
    model = small()
    last = model.encoder.of_frames[-1]
    last.weight.data[4:], last.bias.data[4:] = 0.0, -40.0  # the least width
    objective = VideoELBO(model, frames=9, looks=None, focus=0.0, growth=0.0, initial=3.0)
    batch = Batch(objective.transform((films(),), torch.Generator()))
    loss, numbers = objective.loss(batch, torch.Generator(), Progress(0, 10))
    mse = float((model.predict(films(), 8) - films()).square().mean())
    assert float(numbers["mse"]) == pytest.approx(mse, rel=1e-2)
    kl, bound = float(numbers["kl"]), objective.tolerance**2
    expected = (kl / (9 * 64) + 3 * (float(numbers["mse"]) - bound)) / 4
    assert kl > 0 and float(loss.detach()) == pytest.approx(expected, rel=1e-5)


def test_the_multiplier_rises_while_the_error_is_above_its_bound_and_falls_below():
    objective = VideoELBO(small(), frames=5, tolerance=0.1, initial=10.0)
    for mse, rises in ((0.02, True), (0.005, False)):
        objective.ascent.reset()
        before = objective.ascent.multipliers[0]
        objective.after_step({"mse": mse}, Progress(1, 100))
        assert (objective.ascent.multipliers[0] > before) is rises


def test_films_come_into_focus_and_pieces_grow():
    objective = VideoELBO(small(), frames=25, blur=0.5, focus=0.4, growth=0.8)
    steps = [Progress(step, 100) for step in (0, 20, 40, 60, 80, 100)]
    assert [objective._blur(at) for at in steps] == pytest.approx([4, 2, 0, 0, 0, 0])
    assert [objective._until(at) for at in steps] == [5, 5, 5, 15, 25, 25]


def test_a_blur_keeps_light_and_spreads_it():
    lens = blurring(9, 1.0)
    assert torch.allclose(lens.sum(1), torch.ones(9, dtype=torch.float64))
    assert torch.allclose(lens[4], lens[4].flip(0)) and float(lens[4, 4]) < 0.5


def test_pieces_are_of_the_films_at_all_places():
    numbered = (torch.arange(9, dtype=torch.float32) / 10)[None, :, None, None].expand(40, 9, 8, 8)
    objective = VideoELBO(small(), frames=6)
    (pieces,) = objective.transform((numbered,), torch.Generator().manual_seed(0))
    first = (10 * pieces[:, :, 0, 0, 0]).round()
    assert torch.equal(first - first[:, :1], torch.arange(6.0).expand(40, 6))
    assert sorted(set(first[:, 0].tolist())) == [0, 1, 2, 3]


def test_gradients_reach_every_part():
    model = small()
    objective = VideoELBO(model, frames=9)
    loss, _ = objective.loss(
        Batch((films().unsqueeze(2),)), torch.Generator().manual_seed(0), Progress(9, 10)
    )
    loss.backward()
    assert all(w.grad is not None and bool(w.grad.abs().sum() > 0) for w in model.parameters())


# -- training, checkpoints -----------------------------------------------------------------------------------


def trained(steps=6, out=None, resume=False, callback=None):
    model = small(dim=1)
    history = learn.fit(
        VideoELBO(model, frames=8), films(), films(seed=1), steps=steps, batch=4, validate_every=3, seed=5, out=out,
        resume=resume, callback=callback, save_every=2, progress=False,
    ).history  # fmt: skip
    return model, {k: v for k, v in history.items() if k != "seconds"}


def test_the_same_seed_gives_the_same_bits():
    (one, first), (two, second) = trained(), trained()
    assert first == second
    assert all(
        torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True)
    )


def test_an_interrupted_training_ends_as_one_that_was_not(tmp_path):
    def stop(step, result):
        if step == 3:
            raise RuntimeError("the lights went out")

    whole, history = trained()
    with pytest.raises(RuntimeError, match="lights"):
        trained(out=tmp_path, callback=stop)
    resumed, found = trained(out=tmp_path, resume=True)
    assert found == history
    assert all(
        torch.equal(a, b)
        for a, b in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True)
    )


@pytest.mark.parametrize("options", [{}, {"hamiltonian": "joint"}, {"networks": "maps"}, {"channels": 3}])
def test_saved_and_loaded_it_draws_the_same(tmp_path, options):
    model = HGN(**{"size": 8, "frames": 2, "width": 8, "seed": 0, **options}).double()
    model.save(tmp_path)
    same = learn.load(tmp_path)
    assert same.config() == model.config()
    assert torch.equal(same.sample(2, 2, seed=0), model.sample(2, 2, seed=0))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("size", 10**6), ("size", -8), ("dim", 10**7), ("dim", 2.5), ("width", 10**6), ("depth", 10**5), ("frames", 10**9),
        ("channels", True), ("hamiltonian", "__import__"), ("networks", ["dense"]), ("dtype", "float8"), ("dt", "nan"),
        ("dt", 0), ("width", 8), ("frames", 3), ("unknown", 1),
    ],
)  # fmt: skip
def test_hostile_files_are_refused(tmp_path, name, value):
    small().save(tmp_path)
    path = tmp_path / "model.json"
    head = json.loads(path.read_text())
    head["hgn"][name] = value
    path.write_text(json.dumps(head))
    with pytest.raises(CheckpointError):
        learn.load(tmp_path)


def test_the_sizes_of_the_paper_make_a_step():
    model = HGN(size=32, frames=2, networks="maps", width=32, seed=0)
    assert (model.dim, model.latent) == (256, 48 * 32 * 32)
    before = copy.deepcopy(model.state_dict())
    result = learn.fit(
        VideoELBO(model, frames=3, looks=2), torch.rand(2, 4, 32, 32), steps=2, batch=2, progress=False
    )
    assert np.isfinite(result.history["loss"]).all()
    # the first rate of the warm-up is small, but nothing stays
    moved = [name for name, w in model.state_dict().items() if not torch.equal(w, before[name])]
    assert {name.split(".")[0] for name in moved} == {"encoder", "starter", "decoder", "hamiltonian"}


def test_a_spring_is_learned_from_pictures(tmp_path):
    """Better than the mean picture and the last one seen, and q is the place of the mass, up to scale and shift."""
    spec = hs.DatasetSpec(
        system="harmonic_oscillator", parameters={"m": 0.5, "k": 2.0}, trajectories=60, steps=290, dt=0.0125, save_every=10,
        initial={"q1": {"uniform": [-1, 1]}, "p1": {"uniform": [-1, 1]}},
        render={"extent": 1.8, "size": 16, "radius": 0.3},
    )  # fmt: skip
    data = hs.open_dataset(hs.generate_dataset(spec, tmp_path / "films", progress=False))
    film, place = np.asarray(data["image"]), np.asarray(data["q"])
    model = HGN(size=16, dim=1, width=64, seed=0)
    objective = VideoELBO(model, tolerance=0.02, frames=15, looks=6)
    learn.fit(objective, torch.from_numpy(film[:48]), steps=500, lr=3e-3, seed=0, batch=24, progress=False)
    with torch.no_grad():
        made = model.predict(film[48:], 24).numpy()
        q = model.states(film[48:])[0].numpy()[:, 0]
    seen = film[48:, :25] / 255
    error = ((made - seen) ** 2).mean((0, 2, 3))
    mean_picture = ((film[:48].mean((0, 1)) / 255 - seen) ** 2).mean()
    last_seen = ((seen[:, 4:5] - seen[:, 5:]) ** 2).mean()
    assert error[:5].mean() < 0.1 * mean_picture
    assert error[5:].mean() < 0.2 * min(mean_picture, last_seen)
    assert np.corrcoef(q, place[48:, 0, 0])[0, 1] ** 2 > 0.98


@pytest.mark.parametrize("dim", [10_000, 10**6, 10**7])
def test_too_many_coordinates_are_refused_before_their_masses_are_allocated(dim):
    with pytest.raises(ParameterError, match="weights"):
        small(dim=dim, width=1)


@pytest.mark.parametrize("name", ["hamiltonian", "networks"])
def test_a_kind_that_is_no_text_is_refused(name):
    with pytest.raises(ParameterError, match=name):
        small(**{name: np.array(["natural", "maps"])})


@pytest.mark.parametrize(
    "films",
    [3, [[1.0]], [[[0.0]]], torch.zeros(2, 5, 8, 8).to_sparse(), torch.zeros(2, 5, 8, 8, device="meta")],
)
def test_what_is_no_film_is_refused_with_the_shape_that_is_wanted(films):
    with pytest.raises(ShapeError, match=r"\(batch, time, 8, 8\)"):
        small().predict(films, 2)


@pytest.mark.parametrize("q", [None, "abc", [["a"]], [[10**400, 1]], [[1.0], [2.0, 3.0]]])
def test_coordinates_that_are_none_are_refused(q):
    with pytest.raises(ShapeError, match="coordinates"):
        small().decode(q)


def test_more_pictures_than_memory_holds_are_refused_before_they_are_drawn():
    with pytest.raises(ParameterError, match="draw fewer"):
        small().decode(torch.zeros(1, 2).expand(10**8, 2))


def test_an_objective_of_films_refuses_other_models_and_rows():
    for model in (None, "x", learn.HNN(1, width=4)):
        with pytest.raises(ParameterError, match="HGN"):
            VideoELBO(model)
    with pytest.raises(ShapeError, match="one tensor"):
        learn.fit(VideoELBO(small(), frames=5), (films(), films()), steps=1, batch=2, progress=False)
