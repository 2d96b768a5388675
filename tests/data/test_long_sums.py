"""Data sets of systems with long sums, which nothing writes out."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from folders import contents
from scipy import stats

import hamsym as hs
from hamsym.data import manifest
from hamsym.data.reading import StoreReader
from hamsym.data.shards import versions
from hamsym.data.starts import starts_of
from hamsym.errors import ParameterError
from hamsym.symbolic.space import Space
from hamsym.symbolic.sums import has_sums, term_count


def own_chain(n, **more):
    """A formula that a user might write: unequal masses, a quartic well for each, springs between neighbours."""
    return {
        "hamiltonian": f"Sum(p[i]**2/(2*m) + k*q[i]**4/4, (i, 1, {n})) + Sum((q[i+1] - q[i])**2/2, (i, 1, {n - 1}))",
        "coordinates": " ".join(f"q{i}" for i in range(1, n + 1)),
        "momenta": " ".join(f"p{i}" for i in range(1, n + 1)),
        "parameters": {"m": "positive", "k": "positive"},
        **more,
    }


CASES = {
    "fpu": {"system": {"name": "fpu", "n": 1000}, "initial": {"energy": {"uniform": [5.0, 20.0]}}, "noise": 0.01, "splits": {"train": 0.5, "test": 0.5}},
    "nbody": {"system": {"name": "nbody", "n": 64}, "dt": 1e-4},
    "own": {"system": own_chain(300), "parameters": {"m": 2.0, "k": {"uniform": [0.5, 1.0]}}, "initial": {"q": {"normal": [0, 1]}, "p": {"normal": [0, 1]}}, "dt": 0.01},
}  # fmt: skip


def spec_of(name, **values):
    return hs.DatasetSpec(**{"trajectories": 4, "steps": 20, "save_every": 5, "dt": 0.02, "shard": 2, **CASES[name], **values})  # fmt: skip


@pytest.fixture
def kept(monkeypatch):
    """Whatever writes out a sum of more than 500 terms fails."""
    plain = Space.written_out

    def written_out(self, expression):
        if has_sums(expression) and term_count(expression) > 500:
            raise AssertionError(f"a sum of {term_count(expression)} terms was written out")
        return plain(self, expression)

    monkeypatch.setattr(Space, "written_out", written_out)


def springs(x):
    return x**2 / 2 + 0.25 * x**3 / 3 + 0.1 * x**4 / 4


def stretched(q):
    wall = np.zeros((*q.shape[:-1], 1))
    return np.diff(np.concatenate([wall, q, wall], axis=-1), axis=-1)


def fpu_energy(q, p, k):
    return (p**2).sum(-1) / 2 + springs(stretched(q)).sum(-1)


def fpu_rates(q, p, k):
    x = stretched(q)
    return p, np.diff(x + 0.25 * x**2 + 0.1 * x**3, axis=-1)


def own_energy(q, p, k):
    return (p**2).sum(-1) / 4 + (k[..., None] * q**4).sum(-1) / 4 + (np.diff(q, axis=-1) ** 2).sum(-1) / 2


def own_rates(q, p, k):
    bond = np.diff(q, axis=-1, prepend=q[..., :1], append=q[..., -1:])
    return p / 2, np.diff(bond, axis=-1) - k[..., None] * q**3


def pairs(q):
    x = q.reshape(*q.shape[:-1], 64, 3)
    apart = x[..., None, :, :] - x[..., :, None, :]
    return apart, np.linalg.norm(apart, axis=-1) + np.where(np.eye(64), np.inf, 0)


def nbody_energy(q, p, k):
    return (p**2).sum(-1) / 2 - (1 / pairs(q)[1]).sum((-1, -2)) / 2


def nbody_rates(q, p, k):
    apart, r = pairs(q)
    return p, (apart / r[..., None] ** 3).sum(-2).reshape(q.shape)


@pytest.mark.parametrize(
    "name, energy, rates",
    [("fpu", fpu_energy, fpu_rates), ("own", own_energy, own_rates), ("nbody", nbody_energy, nbody_rates)],
)
def test_energies_and_rates_are_those_of_the_formula_by_hand(
    name, energy, rates, tmp_path, kept, monkeypatch
):
    monkeypatch.setattr("hamsym.data.store.first_manifest", no_proofs)
    spec = spec_of(name)
    path = hs.generate_dataset(spec, tmp_path / "data", progress=False)
    assert hs.check_dataset(path).is_sound
    data, reader = hs.open_dataset(path), StoreReader(path)
    k = data.parameter_k.values[:, None] if "parameter_k" in data else np.ones((4, 1))
    q, p = data.q.values, data.p.values
    assert np.allclose(data.energy, energy(q, p, k), rtol=1e-12)
    E = data.energy.values  # labelled arrays would be subtracted label by label
    change = np.abs(E - E[:, :1]).max(1) / np.abs(E[:, 0])
    assert np.allclose(data.energy_error, change, rtol=1e-9, atol=0) and float(change.max()) < 1e-2
    for shard, members in enumerate(reader.shards):
        rows = slice(members.start, members.stop)
        dq, dp = rates(q[rows], p[rows], k[rows])
        found = reader.rates(shard)
        assert np.allclose(found["dq"], dq, rtol=1e-12) and np.allclose(found["dp"], dp, rtol=1e-9, atol=1e-9)
    if name == "fpu":
        assert ((data.energy[:, 0] > 5) & (data.energy[:, 0] < 20)).all()
        assert set(data.split.values) == {"train", "test"}
        noise = (data.q_observed - data.q).values.ravel() / 0.01
        assert stats.kstest(noise, "norm").pvalue > 1e-3


def no_proofs(spec):
    """The manifest without proofs of integrals, which have tests of their own."""
    H = spec.source.hamiltonian
    return {
        "format": manifest.FORMAT, "version": manifest.VERSION, "spec": spec.to_dict(), "versions": versions(),
        "hamiltonian": H.text, "integrals": [], "shards": spec.shards, "complete": False, "files": {},
    }  # fmt: skip


def test_shells_take_masses_of_long_sums(kept):
    """Momenta p/√m of equal size: K is shared evenly by heavy and light, in the mean."""
    n = 400
    system = own_chain(n)
    system["hamiltonian"] = f"Sum(i*p[i]**2/2 + q[i]**2/2, (i, 1, {n}))"
    spec = spec_of("own", system=system, parameters=None, initial={"energy": 300.0, "box": [-1e-3, 1e-3]})
    starts = starts_of(hs.DatasetSpec.from_dict({**spec.to_dict(), "trajectories": 40}), range(40))
    q, p = starts.q, starts.p
    weights = np.arange(1, n + 1)
    assert np.allclose((weights * p**2).sum(1) / 2 + (q**2).sum(1) / 2, 300, rtol=1e-13)
    share = (weights * p**2).mean(0)
    assert abs(share[: n // 2].mean() / share[n // 2 :].mean() - 1) < 0.1
    system["hamiltonian"] = f"Sum(p[i]**4/2 + q[i]**2/2, (i, 1, {n}))"
    with pytest.raises(ParameterError, match="positive quadratic form"):
        starts_of(spec_of("own", system=system, parameters=None, initial={"energy": 300.0, "box": [-1, 1]}), range(1))  # fmt: skip


def test_momenta_coupled_by_a_long_sum_make_a_shell(kept):
    n = 60
    system = own_chain(n)
    system["hamiltonian"] = f"Sum(p[i]**2 + q[i]**2/2, (i, 1, {n})) + Sum(p[i]*p[i+1], (i, 1, {n - 1}))"
    s = starts_of(spec_of("own", system=system, parameters=None, trajectories=64, initial={"energy": 9.0, "box": [-0.01, 0.01]}), range(64))  # fmt: skip
    K = (s.p**2).sum(1) + (s.p[:, 1:] * s.p[:, :-1]).sum(1)
    assert np.allclose(K + (s.q**2).sum(1) / 2, 9, rtol=1e-12)
    assert np.mean(s.p[:, 1:] * s.p[:, :-1]) < 0


@pytest.mark.parametrize("n", [3, 60])
def test_canonical_states_of_a_chain_have_its_covariance(n):
    """⟨q qᵀ⟩ = (βA)⁻¹ of U = qᵀAq/2, and p_i²/m_i is 1/β in the mean: short sums and long ones."""
    system = own_chain(n, hamiltonian=f"Sum(i*p[i]**2/2 + q[i]**2, (i, 1, {n})) + Sum((q[i+1] - q[i])**2/2, (i, 1, {n - 1}))", parameters={})  # fmt: skip
    spec = hs.DatasetSpec(system=system, trajectories=256, steps=1, dt=1e-3, initial={"beta": 4.0, "hottest": 1.0, "warmup": 50})  # fmt: skip
    assert hs.DatasetSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec
    s = starts_of(spec, range(256))
    A = 2 * np.eye(n) + np.diag(np.r_[1, np.full(n - 2, 2), 1]) - np.eye(n, k=1) - np.eye(n, k=-1)
    U = np.einsum("ni,ij,nj->n", s.q, A, s.q) / 2
    assert abs(U.mean() - n / 8) < 5 * np.sqrt(n / 32 / 256)
    neighbours = np.diagonal(np.linalg.inv(A), 1).mean() / 4
    assert abs((s.q[:, 1:] * s.q[:, :-1]).mean() - neighbours) < 0.25 * neighbours
    normal = s.p * np.sqrt(4.0 * np.arange(1, n + 1))
    assert stats.kstest(normal.ravel(), "norm").pvalue > 1e-3


def test_canonical_states_do_not_depend_on_shards_nor_on_how_many_there_are():
    spec = {"system": {"name": "lattice_phi4", "n": 8}, "steps": 1, "dt": 1e-3, "initial": {"beta": 1.0, "hottest": 1.0, "warmup": 20}}  # fmt: skip
    whole = starts_of(hs.DatasetSpec(trajectories=70, **spec), range(70))
    part = starts_of(hs.DatasetSpec(trajectories=80, **spec), range(62, 66))
    assert np.array_equal(whole.q[62:66], part.q) and np.array_equal(whole.p[62:66], part.p)
    assert len(np.unique(whole.q[:, 0])) == 70


def test_canonical_states_of_each_parameter():
    system = {"hamiltonian": "p**2/2 + k*x**2/2", "coordinates": "x", "momenta": "p", "parameters": {"k": "positive"}}  # fmt: skip
    spec = hs.DatasetSpec(system=system, trajectories=20, steps=1, dt=1e-3, parameters={"k": {"choice": [1.0, 1e4]}}, initial={"beta": 1.0, "hottest": 1.0, "warmup": 20})  # fmt: skip
    s = starts_of(spec, range(20))
    stiff = np.array([k["k"] > 2 for k in s.parameters])
    assert np.abs(s.q[stiff]).max() < 0.06 < np.abs(s.q[~stiff]).max()


@pytest.mark.parametrize(
    "initial, what",
    [
        ({"beta": 0}, "beta"),
        ({"beta": "hot"}, "beta"),
        ({"beta": {"uniform": [1, 2]}}, "beta"),
        ({"beta": 1, "hotest": 1}, "hottest"),
        ({"beta": 1, "hottest": 2}, "hottest"),
        ({"beta": 1, "warmup": 1}, "warmup"),
    ],
)
def test_wrong_temperatures_are_refused(initial, what):
    with pytest.raises(ParameterError, match=what):
        hs.DatasetSpec(system="henon_heiles", trajectories=1, steps=1, dt=0.1, initial=initial)


def test_a_density_that_cannot_be_normalised_names_the_trajectory():
    system = {"hamiltonian": "p1**2/2 + p2**2/2 + q1**2", "coordinates": "q1 q2", "momenta": "p1 p2"}
    spec = hs.DatasetSpec(system=system, trajectories=2, steps=1, dt=0.1, initial={"beta": 1.0})
    with pytest.raises(ParameterError, match="q2"):
        starts_of(spec, range(2))


def test_a_coordinate_may_be_called_beta():
    system = {"hamiltonian": "p**2/2 + beta**2", "coordinates": "beta", "momenta": "p"}
    spec = hs.DatasetSpec(system=system, trajectories=2, steps=1, dt=0.1, initial={"beta": 1.5, "p": 0.0})
    assert (starts_of(spec, range(2)).q == 1.5).all()


def test_killed_it_goes_on_to_the_same_bytes(tmp_path):
    code = (
        "import json, sys, hamsym as hs; hs.generate_dataset("
        "hs.DatasetSpec.from_dict(json.loads(sys.argv[1])), sys.argv[2], progress=False)"
    )
    spec = spec_of("fpu", trajectories=60, steps=60)
    child = subprocess.Popen([sys.executable, "-c", code, json.dumps(spec.to_dict()), tmp_path / "killed"])
    while child.poll() is None and not (tmp_path / "killed" / manifest.record_name(4)).exists():
        time.sleep(0.005)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert 4 < len(list((tmp_path / "killed" / "shards").iterdir())) < 30
    for folder in ("killed", "whole"):
        hs.generate_dataset(spec, tmp_path / folder, progress=False)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
