"""What does not fit is refused in our own words: another run's checkpoint, numbers too large, arguments of other types."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from flows import ROTATION

from hamsym.errors import CheckpointError, HamsymError, NonFiniteError, ParameterError, ShapeError
from hamsym.files import whole
from learn.checkpoint import load
from learn.flow.density import HamiltonianFlow
from learn.points import as_points
from learn.storage import exists, read, write
from learn.symmetry.constraint import BracketConstraint
from learn.symmetry.equivariance import bracket_residual, density_invariance
from learn.training.fit import fit


def small(**settings):
    return HamiltonianFlow(2, **{"hamiltonians": 2, "width": 8, "seed": 0, **settings})


def points(n=100, seed=0):
    return torch.randn(n, 2, generator=torch.Generator().manual_seed(seed))


def quiet(flow=None, q=None, **settings):
    settings = {"progress": False, "batch": 16, "steps": 4, **settings}
    return fit(small() if flow is None else flow, points() if q is None else q, **settings)


# -- the constraint ------------------------------------------------------------------------------------------


def test_a_constraint_used_on_another_dim_measures_what_a_fresh_one_does():
    used, fresh = BracketConstraint("q1*p2 - q2*p1"), BracketConstraint("q1*p2 - q2*p1")
    used.bind(2)
    flow = HamiltonianFlow(3, hamiltonians=1, width=8, seed=0)
    q, p = torch.randn(2, 50, 3)
    states = [(flow.chain[0], q, p)]
    assert torch.equal(used.residuals(states), fresh.residuals(states))
    by_measure = bracket_residual(flow, "q1*p2 - q2*p1", q, p).mean_square
    assert used.residuals(states).item() == pytest.approx(by_measure, rel=1e-4)


# -- a resumed run is the same run ---------------------------------------------------------------------------


def penalty():
    return small(symmetry="penalty", generators=ROTATION)


OTHER = {
    "points": {"q": points(seed=1)},
    "one point": {"q": points() + torch.eye(100, 2) * 1e-6},
    "validation": {"q_valid": points(50, 2)},
    "validate_every": {"validate_every": 2},
    **{
        name: {"constraint": {name: value}}
        for name, value in {
            "pace": 50.0, "initial": 0.1, "loose": 10.0, "tightening": 0.5, "margin": 0.1, "batch": 8,
            "sampling": "data", "measured": "field", "normalised": True, "detach": False, "tolerance": 2e6, "generators": "p1",
        }.items()
    },
}  # fmt: skip


@pytest.mark.parametrize("what", OTHER)
def test_a_run_with_other_data_or_settings_is_not_resumed(tmp_path, what):
    def run(q=None, q_valid=None, constraint=None, validate_every=3, **more):
        made = BracketConstraint(
            **{"generators": ROTATION, "tolerance": 1e6, "batch": 16, **(constraint or {})}
        )
        valid = points(50, 1) if q_valid is None else q_valid
        return quiet(penalty(), q, q_valid=valid, constraint=made, validate_every=validate_every, **more)

    run(out=tmp_path)
    run(out=tmp_path, resume=True)  # the same run is
    with pytest.raises(CheckpointError, match="other settings"):
        run(out=tmp_path, resume=True, **OTHER[what])


def test_a_fresh_run_leaves_nothing_of_an_older_one_to_resume(tmp_path):
    quiet(out=tmp_path)

    def die(step, result):
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        quiet(small(seed=5), out=tmp_path, callback=die)
    assert not exists(tmp_path, "training") and not list(tmp_path.glob("training*"))
    assert quiet(small(seed=5), out=tmp_path, resume=True).history["step"] == [1, 2, 3, 4]


def _tamper(folder, tensors=(), **values):
    saved, head = read(folder, "training")
    head = {k: v for k, v in head.items() if k not in ("format", "version", "weights", "sha256")}
    for name, change in dict(tensors).items():
        saved[name] = change(saved[name])
    write(folder, "training", saved, {**head, **values})


WEIGHT = "chain.0.potential_energy.weight"
TAMPERED = {
    "adam of another shape": {"tensors": {f"adam.exp_avg.{WEIGHT}": lambda t: t[:1]}},
    "adam of one number": {"tensors": {f"adam.exp_avg.{WEIGHT}": lambda t: t.sum()}},
    "adam not finite": {"tensors": {f"adam.exp_avg.{WEIGHT}": lambda t: t * math.nan}},
    "adam of negative squares": {"tensors": {f"adam.exp_avg_sq.{WEIGHT}": lambda t: t - 1}},
    "adam step a vector": {"tensors": {f"adam.step.{WEIGHT}": lambda t: t.repeat(3)}},
    "adam in another precision": {"tensors": {f"adam.exp_avg.{WEIGHT}": lambda t: t.double()}},
    "weights not finite": {"tensors": {f"flow.{WEIGHT}": lambda t: t * math.inf}},
    "best weights not finite": {"tensors": {f"best.{WEIGHT}": lambda t: t * math.inf}},
    "best weights of another shape": {"tensors": {f"best.{WEIGHT}": lambda t: t[:1]}},
    "history shorter": {"tensors": {"history.loss": lambda t: t[:-1]}},
    "history not finite": {"tensors": {"history.seconds": lambda t: t * math.nan}},
    "validation flat": {"tensors": {"validation": lambda t: t.flatten()}},
    "random numbers": {"tensors": {"random": lambda t: t[:7]}},
    "steps none": {"steps": None},
    "steps text": {"steps": "4"},
    "step more than steps": {"step": 5},
    "step negative": {"step": -1},
    "step a fraction": {"step": 3.5},
    "best step later": {"best_step": 9},
    "best bound huge": {"best_bound": 10**400},
    "best bound infinite": {"best_bound": math.inf},
    "best bound text": {"best_bound": "1"},
    "best bound missing": {"best_bound": None},
}  # fmt: skip


@pytest.mark.parametrize("what", TAMPERED)
def test_a_run_that_no_run_wrote_is_not_taken_up(tmp_path, what):
    settings = {"q_valid": points(50, 1), "validate_every": 2, "out": tmp_path}
    quiet(**settings)
    _tamper(tmp_path)
    quiet(**settings, resume=True)
    _tamper(tmp_path, **TAMPERED[what])
    flow = small()
    before = {k: v.clone() for k, v in flow.state_dict().items() if "unit" not in k}
    with pytest.raises(CheckpointError, match="does not fit"):
        quiet(flow, **settings, resume=True)
    assert all(torch.equal(v, flow.state_dict()[k]) for k, v in before.items())


@pytest.mark.parametrize("state", [{}, {"multipliers": [math.inf], "means": []}, {"multipliers": [1, 2], "means": []},
                                   {"multipliers": [1.0], "means": ["1"]}, {"multipliers": [10**400], "means": []}])  # fmt: skip
def test_multipliers_that_no_run_wrote_are_not_taken_up(tmp_path, state):
    settings = {"constraint": BracketConstraint(ROTATION, tolerance=1e6), "out": tmp_path}
    quiet(penalty(), **settings)
    _tamper(tmp_path, multipliers=state)
    with pytest.raises(CheckpointError, match="does not fit"):
        quiet(penalty(), **settings, resume=True)


# -- files ---------------------------------------------------------------------------------------------------


def _dt(folder: Path) -> None:
    head = json.loads((folder / "model.json").read_text())
    head["flow"]["dt"] = 10**399
    (folder / "model.json").write_text(json.dumps(head))


def _replace(file: Path, how) -> None:
    file.unlink()
    how(file)


def _huge(file: Path) -> None:
    with file.open("wb") as handle:
        handle.truncate(1 << 40)  # sparse: takes no room


@pytest.mark.parametrize(
    "damage",
    [
        _dt,
        lambda f: _replace(next(f.glob("*.safetensors")), _huge),
        lambda f: _replace(next(f.glob("*.safetensors")), os.mkfifo),
        lambda f: _replace(next(f.glob("*.safetensors")), lambda file: file.symlink_to("/dev/full")),
        lambda f: _replace(f / "model.json", os.mkfifo),
        lambda f: _replace(f / "model.json", lambda file: file.symlink_to("/dev/full")),
    ],
    ids=["dt", "huge", "pipe", "device", "json pipe", "json device"],
)
def test_what_is_no_file_of_ours_is_not_read(tmp_path, damage):
    small().save(tmp_path)
    damage(tmp_path)
    with pytest.raises(CheckpointError):
        load(tmp_path)


# -- numbers that leave the numbers --------------------------------------------------------------------------

MEASURES = {
    "push_forward": lambda f, q: f.push_forward(q, q),
    "pull_back": lambda f, q: f.pull_back(q, q),
    "trajectory": lambda f, q: f.trajectory(q, q),
    "log_joint": lambda f, q: f.log_joint(q, q),
    "elbo": lambda f, q: f.elbo(q),
    "log_prob": lambda f, q: f.log_prob(q, 3),
    "encoder": lambda f, q: f.encoder(q),
    "bracket_residual": lambda f, q: bracket_residual(f, ROTATION, q, q),
    "density_invariance": lambda f, q: density_invariance(f, ROTATION, q, elements=2, samples=8),
}


@pytest.mark.parametrize("name", MEASURES)
def test_sizes_that_the_precision_cannot_hold_are_refused_by_row(name):
    bad = [math.nan, math.inf, 1e200]
    if name == "density_invariance":  # computes in float64
        bad[-1] = 1e300
    elif name in ("log_joint", "elbo", "log_prob", "bracket_residual"):
        bad.append(1e30)
    for value in bad:
        q = np.zeros((4, 2))
        q[2:, 0] = value
        with pytest.raises(NonFiniteError, match="2") as caught:
            MEASURES[name](small(), q)
        assert caught.value.index == 2


@pytest.mark.parametrize("name", MEASURES)
def test_ordinary_sizes_are_not(name, dtype):
    MEASURES[name](small().to(dtype), np.array([[0, 0], [1, -2]]))
    MEASURES[name](small(symmetry="exact", generators=ROTATION).to(dtype), 10 * points(5))


def test_the_encoder_reads_what_the_other_methods_read():
    flow = small()
    q = points(3)
    assert torch.equal(flow.encoder(q.double().numpy()).mean, flow.encoder(q).mean)
    for wrong in (q[0], q[:, :1], "q", q + 1j):
        with pytest.raises(ShapeError):
            flow.encoder(wrong)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    "tensor",
    [
        lambda: points().to_sparse(),
        lambda: points().to_sparse_csr(),
        lambda: torch.zeros(5, 2, device="meta"),
        lambda: torch.nested.nested_tensor([torch.zeros(2), torch.zeros(2)]),
        lambda: torch.quantize_per_tensor(points(), 0.1, 0, torch.qint8),
    ],
    ids=["sparse", "csr", "meta", "nested", "quantised"],
)
def test_tensors_that_are_not_plain_are_refused(tensor):
    with pytest.raises(ShapeError, match="dense"):
        as_points(tensor(), 2, torch.zeros(1))


def test_data_with_a_graph_are_trained_on_as_numbers():
    q = points().requires_grad_()
    assert quiet(q=q * 1.0).history["loss"] == quiet().history["loss"]
    assert q.grad is None


# -- arguments -----------------------------------------------------------------------------------------------

NO_NUMBERS = [None, "1", 1j, 10**400, math.nan, math.inf, -1, [1], True]
NO_SEEDS = ["1", 1j, 10**400, 1.5, -1, 2**64, True]


@pytest.mark.parametrize(
    ("name", "values"),
    {
        "lr": NO_NUMBERS,
        "seed": [*NO_SEEDS, None],
        "steps": [1.5, None, "1", 10**400, True],
        "batch": [10**13, 10**400, 1.5],
        "threads": [10**5, 1.5, "1", 0, True],
        "callback": [1, "print"],
        "constraint": [1, "q1*p2 - q2*p1"],
        "out": [1, 1.5, b"x"],
    }.items(),
)
def test_arguments_of_fit_are_refused_by_name(name, values):
    for value in values:
        with pytest.raises(ParameterError, match=name):
            quiet(**{name: value})


def test_only_flows_are_trained():
    for wrong in (None, "flow", torch.nn.Linear(2, 2)):
        with pytest.raises(ParameterError, match="flow"):
            fit(wrong, points())


def test_numpy_numbers_are_numbers():
    result = quiet(
        steps=np.int64(2), batch=np.int32(8), lr=np.float32(0.01), seed=np.uint8(1), threads=np.int64(1)
    )
    assert result.history["step"] == [1, 2]


@pytest.mark.parametrize(
    ("name", "values"),
    {
        **{key: [*NO_NUMBERS, 0] for key in ["tolerance", "initial", "pace"]},
        **{key: [None, "1", 1j, 10**400, math.nan, -1] for key in ["loose", "tightening", "margin"]},
        "batch": [10**13, 1.5, None, "1", 0],
        "sampling": ["all", None, ["base"]],
        "measured": ["slopes", None, ["field"]],
        "normalised": [1, "yes", None],
        "detach": [0, None],
    }.items(),
)
def test_arguments_of_a_constraint_are_refused_by_name(name, values):
    for value in values:
        with pytest.raises(ParameterError, match=name):
            BracketConstraint(ROTATION, **{name: value})
    with pytest.raises(ParameterError, match="pace"):
        BracketConstraint(ROTATION, pace=1e10)
    with pytest.raises(HamsymError):
        BracketConstraint(5)


@pytest.mark.parametrize(
    "sizes",
    [
        {"dim": 10**400}, {"dim": 10**9}, {"width": 10**9}, {"width": 10**4, "hamiltonians": 10**4}, {"steps": 10**9},
        {"hamiltonians": 10**7, "width": 1}, {"hamiltonians": 10**13}, {"width": 1.5}, {"dim": "2"}, {"dim": True},
        {"dt": None}, {"dt": "1"}, {"dt": 10**400}, {"dt": 1j}, *({"seed": s} for s in NO_SEEDS),
    ],
)  # fmt: skip
def test_flows_of_absurd_size_are_refused_before_they_are_built(sizes):
    with pytest.raises(ParameterError, match=next(iter(sizes))):
        HamiltonianFlow(**{"dim": 2, "generators": ROTATION, **sizes})


def test_the_bound_on_weights_counts_what_is_built():
    from learn.flow.architecture import Sizes

    for dim, symmetry in ((1, None), (2, "exact"), (2, "features"), (5, None), (5, "features")):
        flow = HamiltonianFlow(dim, 3, 1, 7, symmetry, ROTATION if symmetry else ())
        count = sum(p.numel() for p in flow.parameters())
        assert count - 2 <= Sizes(dim, 3, 1, 7).weights(dim + dim // 2) <= 3 * count


@pytest.mark.parametrize(
    ("call", "values"),
    [
        (lambda f, v: f.log_prob([[0.0, 0.0]], samples=v), [True, 1.5, "1", None, 0, 10**400]),
        (lambda f, v: f.log_prob([[0.0, 0.0]], seed=v), NO_SEEDS),
        (lambda f, v: f.sample(v), [-1, 1.5, True, "1", 10**13, 10**400]),
        (lambda f, v: f.sample(1, seed=v), NO_SEEDS),
        (lambda f, v: f.sample_base(v), [-1, 1.5, True, "1", 10**13, 10**400]),
        (lambda f, v: f.set_unit(v), [*NO_NUMBERS, 0, 1e-300, 1e300]),
        (lambda f, v: density_invariance(f, ROTATION, [[0, 1]], extent=v), [math.nan, math.inf, None, "1", 10**400]),
        (lambda f, v: density_invariance(f, ROTATION, [[0, 1]], elements=v), [1, 2.5, None, True, 10**13]),
        (lambda f, v: density_invariance(f, ROTATION, [[0, 1]], samples=v), [1, 2.5, None, True, 10**13]),
        (lambda f, v: density_invariance(f, ROTATION, [[0, 1]], seed=v), NO_SEEDS),
        (lambda f, v: density_invariance(f, ROTATION, [[0, 1]], method=v), [None, ["importance"], 1]),
    ],
)  # fmt: skip
def test_arguments_of_a_flow_and_of_measures_are_refused(call, values):
    for value in values:
        with pytest.raises(ParameterError):
            call(small(), value)


def test_points_that_differ_by_translations_alone_are_refused_where_the_density_knows_none():
    together = torch.randn(20, 1).expand(20, 2).contiguous()
    flow = small(symmetry="exact", generators="p1 + p2")
    with pytest.raises(ParameterError, match="the same but for translations"):
        fit(flow, together, steps=1, progress=False)
    fit(flow, together * torch.tensor([1.0, -1.0]), steps=1, progress=False)


@pytest.mark.parametrize("generator", ["q1*p2 - q2*p1", "p1 + p2"])
def test_a_flow_made_where_float64_is_the_rule_is_that_of_double(generator):
    torch.set_default_dtype(torch.float64)
    try:
        flow = small(symmetry="exact", generators=generator)
        found = flow.log_prob(points().double(), 3, seed=0)
        assert {t.dtype for t in flow.buffers() if t.is_floating_point()} == {torch.float64}
    finally:
        torch.set_default_dtype(torch.float32)
    assert found.dtype == torch.float64 and bool(found.isfinite().all())


def test_a_file_does_not_take_the_place_of_a_directory(tmp_path):
    kept = tmp_path / "points.npy" / "of years"
    kept.parent.mkdir()
    kept.write_text("work")
    with pytest.raises(IsADirectoryError), whole(kept.parent) as partial:
        partial.write_text("new")
    assert kept.read_text() == "work" and [p.name for p in tmp_path.iterdir()] == ["points.npy"]
