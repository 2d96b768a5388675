"""The house keeps its order: layers import downwards only, heavy libraries load on use, no code runs from data."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

#: A module may import modules of its own line or of a line above it.
ORDER = [
    ["hamsym.errors"],
    ["hamsym.files", "hamsym.arguments", "hamsym.progress"],
    [
        "hamsym.symbolic.formula.language",
        "hamsym.symbolic.formula.constants",
        "hamsym.symbolic.formula.tokens",
        "hamsym.symbolic.formula.text",
        "hamsym.symbolic.formula.applied",
        "hamsym.symbolic.formula.derivative",
        "hamsym.symbolic.formula.domain",
        "hamsym.symbolic.formula.names",
    ],
    ["hamsym.symbolic.tower"],
    ["hamsym.symbolic.formula.reality"],
    ["hamsym.symbolic.formula.bounds"],
    ["hamsym.symbolic.sums.affine"],
    ["hamsym.symbolic.sums.counting"],
    ["hamsym.symbolic.sums.ranges"],
    ["hamsym.symbolic.sums.families"],
    ["hamsym.symbolic.sums.expansion"],
    ["hamsym.symbolic.sums.checks", "hamsym.symbolic.sums.reading", "hamsym.symbolic.sums.terms"],
    ["hamsym.symbolic.formula.summation"],
    ["hamsym.symbolic.formula.parser", "hamsym.symbolic.formula.admission"],
    ["hamsym.symbolic.space"],
    ["hamsym.symbolic.phase_space"],
    ["hamsym.symbolic.function"],
    ["hamsym.symbolic.linear"],
    ["hamsym.symbolic.structure"],
    ["hamsym.symbolic.known_algebras"],
    ["hamsym.symbolic.lie_poisson"],
    ["hamsym.symbolic.zero_test.polynomial"],
    ["hamsym.symbolic.zero_test.operations"],
    ["hamsym.symbolic.zero_test.tape"],
    [
        "hamsym.symbolic.zero_test.witness",
        "hamsym.symbolic.zero_test.evaluation",
    ],
    ["hamsym.symbolic.zero_test.showing", "hamsym.symbolic.zero_test.samples"],
    ["hamsym.symbolic.zero_test.verdict"],
    [
        "hamsym.symbolic.zero_test.proved",
        "hamsym.symbolic.zero_test.refuted",
        "hamsym.symbolic.zero_test.undecided",
    ],
    ["hamsym.symbolic.zero_test.claim"],
    ["hamsym.symbolic.zero_test.proof"],
    ["hamsym.symbolic.zero_test.decide"],
    ["hamsym.symbolic.sum_proofs.atoms", "hamsym.symbolic.sum_proofs.enclosure"],
    [
        "hamsym.symbolic.sum_proofs.slopes",
        "hamsym.symbolic.sum_proofs.generic",
        "hamsym.symbolic.sum_proofs.gradients",
    ],
    ["hamsym.symbolic.sum_proofs.residual", "hamsym.symbolic.sum_proofs.verdicts"],
    ["hamsym.symbolic.sum_proofs.moments"],
    ["hamsym.symbolic.sum_proofs.decide"],
    ["hamsym.symbolic.bracket"],
    ["hamsym.symbolic.separation"],
    ["hamsym.symbolic.lagrangian", "hamsym.symbolic.inversion", "hamsym.symbolic.everywhere"],
    ["hamsym.symbolic.legendre"],
    ["hamsym.symbolic.hamiltonian"],
    ["hamsym.symbolic.symmetry.flows", "hamsym.symbolic.symmetry.exponential"],
    ["hamsym.symbolic.symmetry.lie_series", "hamsym.symbolic.canonical"],
    ["hamsym.symbolic.symmetry.generator", "hamsym.symbolic.transforms"],
    ["hamsym.symbolic.symmetry.standard", "hamsym.symbolic.symmetry.runge_lenz"],
    ["hamsym.symbolic.integrals.ansatz"],
    [
        "hamsym.symbolic.integrals.surface",
        "hamsym.symbolic.integrals.completeness",
        "hamsym.symbolic.integrals.independence",
    ],
    ["hamsym.symbolic.integrals.jumps"],
    ["hamsym.symbolic.integrals.conserved", "hamsym.symbolic.integrals.rank"],
    ["hamsym.symbolic.integrals.readable", "hamsym.symbolic.integrals.conditions"],
    [
        "hamsym.symbolic.integrals.natural",
        "hamsym.symbolic.integrals.products",
        "hamsym.symbolic.integrals.solved",
        "hamsym.symbolic.integrals.special",
    ],
    ["hamsym.symbolic.integrals.candidates"],
    ["hamsym.symbolic.integrals.trials"],
    ["hamsym.symbolic.integrals.scope"],
    ["hamsym.symbolic.integrals.display"],
    ["hamsym.symbolic.integrals.basis"],
    ["hamsym.symbolic.integrals.search", "hamsym.symbolic.lie_names"],
    ["hamsym.symbolic.integrals.invariants", "hamsym.symbolic.algebra"],
    ["hamsym.numeric.arguments", "hamsym.numeric.threads", "hamsym.numeric.lowering.kinds"],
    ["hamsym.numeric.lowering.texts", "hamsym.numeric.lowering.ranges"],
    ["hamsym.numeric.lowering.frame"],
    ["hamsym.numeric.lowering.lanes"],
    ["hamsym.numeric.lowering.expressions"],
    ["hamsym.numeric.lowering.calls"],
    ["hamsym.numeric.lowering.statements"],
    ["hamsym.numeric.lowering.units"],
    ["hamsym.numeric.lowering"],
    ["hamsym.numeric.machine_code"],
    ["hamsym.numeric.cache"],
    [
        "hamsym.numeric.coefficients",
        "hamsym.numeric.elementary",
        "hamsym.numeric.log_sum_exp",
        "hamsym.numeric.vectors.kinds",
    ],
    ["hamsym.numeric.printing", "hamsym.numeric.vectors.arithmetic", "hamsym.numeric.vectors.memory"],
    ["hamsym.numeric.vectors.making"],
    ["hamsym.numeric.vectors.lifting"],
    ["hamsym.numeric.vectors"],
    ["hamsym.numeric.parts"],
    ["hamsym.numeric.kinetic"],
    [
        "hamsym.numeric.codegen",
        "hamsym.numeric.methods",
        "hamsym.numeric.exponential",
        "hamsym.numeric.meanings",
    ],
    ["hamsym.numeric.step"],
    [
        "hamsym.numeric.splitting",
        "hamsym.numeric.nonseparable",
        "hamsym.numeric.runge_kutta",
        "hamsym.numeric.lanes",
        "hamsym.numeric.lane_algebra",
    ],
    ["hamsym.numeric.generated", "hamsym.numeric.implicit.tableau"],
    ["hamsym.numeric.implicit.iteration"],
    ["hamsym.numeric.implicit.newton"],
    ["hamsym.numeric.implicit.kernels"],
    ["hamsym.numeric.implicit"],
    ["hamsym.numeric.loops.layout"],
    ["hamsym.numeric.loops.operands"],
    ["hamsym.numeric.loops.nests"],
    ["hamsym.numeric.loops.source"],
    ["hamsym.numeric.loops.room"],
    ["hamsym.numeric.loops.module"],
    [
        "hamsym.numeric.loops.choice",
        "hamsym.numeric.loops.doubled",
        "hamsym.numeric.loops.gauss",
        "hamsym.numeric.loops.runge_kutta",
        "hamsym.numeric.loops.sampling",
        "hamsym.numeric.loops.splitting",
        "hamsym.numeric.loops.values",
    ],
    ["hamsym.numeric.loops.kernels"],
    ["hamsym.numeric.loops"],
    [
        "hamsym.numeric.proposals",
        "hamsym.numeric.stepping",
        "hamsym.numeric.flatness",
        "hamsym.numeric.convergence",
        "hamsym.numeric.values",
    ],
    ["hamsym.numeric.section", "hamsym.numeric.masses", "hamsym.numeric.drift"],
    ["hamsym.numeric.plots"],
    ["hamsym.numeric.tempering"],
    ["hamsym.numeric.trajectories"],
    ["hamsym.numeric.simulate"],
    ["hamsym.numeric.tangent"],
    ["hamsym.numeric.sampling"],
    [
        "hamsym.data.catalogue",
        "hamsym.data.bumps",
        "hamsym.data.systems.system",
        "hamsym.data.systems.writing",
    ],
    ["hamsym.data.systems.family", "hamsym.data.systems.drawing"],
    ["hamsym.data.systems", "hamsym.data.targets"],
    [
        "hamsym.data.checksums",
        "hamsym.data.distributions",
        "hamsym.data.ephemeris",
        "hamsym.data.rendering",
        "hamsym.data.shells",
        "hamsym.data.source",
        "hamsym.data.streams",
        "hamsym.data.textfile",
    ],
    ["hamsym.data.initial"],
    ["hamsym.data.spec"],
    ["hamsym.data.layout", "hamsym.data.starts"],
    ["hamsym.data.shards"],
    ["hamsym.data.cluster", "hamsym.data.manifest"],
    ["hamsym.data.store"],
    ["hamsym.data.dataset", "hamsym.data.inspection", "hamsym.data.reading"],
    ["hamsym.cli"],
    [
        "learn.arguments",
        "learn.kernels.compiled",
        "learn.kernels.registers",
        "learn.flow.lattice",
        "learn.symmetry.multipliers",
        "learn.fields",
        "learn.flow.features",
        "learn.training.schedule",
        "learn.kernels.twice",
    ],
    ["learn.kernels.lanes", "learn.kernels.products", "learn.flow.kinetic"],
    ["learn.kernels.forces", "learn.kernels.dense", "learn.kernels.gaussians", "learn.kernels.updates"],
    ["learn.kernels.ridges"],
    ["learn.kernels.cpu"],
    ["learn.kernels.adam", "learn.kernels.perceptron"],
    ["learn.flow.potentials"],
    ["learn.flow.reversible"],
    ["learn.flow.leapfrog", "learn.integrators"],
    [
        "learn.symmetry.action",
        "learn.storage",
        "learn.points",
        "learn.training.interruption",
        "learn.data.batches",
        "learn.data.shards",
    ],
    ["learn.data.datasets"],
    [
        "learn.symmetry.generators",
        "learn.symmetry.invariants",
        "learn.symmetry.angles",
        "learn.particles.bodies",
    ],
    ["learn.particles.data", "learn.particles.pairs", "learn.particles.proof"],
    ["learn.encoder.moments", "learn.encoder.network"],
    ["learn.encoder.law", "learn.encoder.triangular"],
    [
        "learn.encoder.equivariant",
        "learn.encoder.frame",
        "learn.encoder.gaussian",
        "learn.encoder.pairwise",
        "learn.encoder.wide",
    ],
    ["learn.symmetry.proof", "learn.encoder", "learn.flow.context"],
    ["learn.flow.canonical_map"],
    ["learn.flow.joint"],
    ["learn.flow.architecture"],
    ["learn.flow.likelihood"],
    ["learn.flow.marginal", "learn.flow.description"],
    ["learn.flow.density"],
    [
        "learn.flow.quadrature",
        "learn.evaluation.distance",
        "learn.evaluation.partition",
        "learn.evaluation.polynomial",
    ],
    ["learn.evaluation.pullback"],
    ["learn.symmetry.equivariance", "learn.symmetry.constraint"],
    ["learn.training.objective", "learn.training.processes", "learn.training.rows", "learn.training.result"],
    ["learn.hnn.functions", "learn.hnn.symmetry"],
    ["learn.hnn.invariant"],
    ["learn.hnn.energies", "learn.hnn.objectives"],
    ["learn.hnn.field"],
    ["learn.hnn"],
    ["learn.foil.eye", "learn.foil.energies"],
    ["learn.foil.forecasts"],
    ["learn.foil.loading", "learn.foil.objective"],
    ["learn.foil"],
    ["learn.hgn.energies", "learn.hgn.images", "learn.hgn.networks"],
    ["learn.hgn.convolutions"],
    ["learn.hgn.model"],
    ["learn.hgn.loading", "learn.hgn.objective"],
    ["learn.hgn"],
    ["learn.hogn.graphs", "learn.hogn.functions", "learn.hogn.proof"],
    ["learn.hogn.network", "learn.hogn.model", "learn.hogn.data"],
    ["learn.hogn.energy", "learn.hogn.controls", "learn.hogn.objective"],
    ["learn.hogn.loading"],
    ["learn.hogn"],
    [
        "learn.disentanglement.arguments",
        "learn.disentanglement.group",
        "learn.disentanglement.report",
    ],
    ["learn.disentanglement.actions"],
    [
        "learn.disentanglement.measures",
        "learn.disentanglement.representation",
        "learn.disentanglement.vae",
    ],
    ["learn.disentanglement"],
    ["learn.training.evidence", "learn.training.tensorboard", "learn.training.validation"],
    ["learn.training.snapshot"],
    ["learn.training.run"],
    ["learn.training.loop"],
    ["learn.training.fit", "learn.checkpoint"],
    ["learn.evaluation.measures"],
    ["learn.evaluation.animation", "learn.evaluation.report"],
    ["learn.experiments"],
    ["learn.cli.data", "learn.cli.options", "learn.cli.reproduce"],
    ["learn.cli.evaluate", "learn.cli.sample", "learn.cli.train"],
    ["learn.cli"],
]
SOURCES = sorted(p for package in ("hamsym", "learn") for p in (ROOT / package).rglob("*.py"))


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def level(module: str) -> int | None:
    """The line of the most specific entry that covers a module; packages that only re-export have none."""
    covering = [(len(e), i) for i, row in enumerate(ORDER) for e in row if (module + ".").startswith(e + ".")]
    return max(covering)[1] if covering else None


def imported_modules(path: Path) -> set[str]:
    """Modules a file imports when it runs, those inside functions too; ``if TYPE_CHECKING`` blocks do not count."""
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = module_name(path).split(".")[: -node.level + (path.name == "__init__.py") or None]
            base = (
                node.module or "" if node.level == 0 else ".".join([*package, node.module or ""]).strip(".")
            )
            found.update(f"{base}.{alias.name}" for alias in node.names)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text()))
    return found


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_imports_point_one_way(path):
    module = module_name(path)
    own = level(module)
    if own is None:
        assert path.name == "__init__.py", f"{module} has no place in ORDER; give it one"
        return
    for imported in imported_modules(path):
        other = level(imported)
        if other is not None:
            assert other <= own, f"{module} imports {imported}, which stands below it"
        if module.startswith("hamsym"):
            assert imported.split(".")[0] not in {"learn", "torch"}, f"{module} imports {imported}"


def test_every_place_in_the_order_is_filled():
    """A line for a module that is gone would let anything pass under its name."""
    for row in ORDER:
        for entry in row:
            place = ROOT / Path(*entry.split("."))
            assert place.is_dir() or place.with_suffix(".py").exists(), entry


def modules_after(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in done.stdout.split()}


def test_import_hamsym_loads_nothing_heavy():
    assert not modules_after("import hamsym") & {"torch", "numba", "matplotlib", "xarray", "flint", "scipy"}


def test_proving_loads_no_simulator():
    code = "import hamsym as hs; hs.verify(hs.Hamiltonian('p1**2+q1**2', hs.PhaseSpace.standard(1)), 'p1')"
    assert not modules_after(code) & {"torch", "numba", "matplotlib", "xarray", "learn"}


def test_command_line_help_loads_no_torch():
    code = "from hamsym.cli import app\nfrom typer.testing import CliRunner\nassert 'reproduce' in CliRunner().invoke(app, ['--help']).output"
    assert not modules_after(code) & {"torch", "numba", "matplotlib"}


def test_public_names_exist():
    import hamsym
    import learn

    for package in (hamsym, learn):
        for name in package.__all__:
            assert getattr(package, name) is not None


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_no_code_runs_from_data(path):
    """No call of eval, exec, sympify, parse_expr or pickle in the packages."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func).split(".")
            assert called[-1] not in {"eval", "sympify", "parse_expr"} or called[0] == "self", ast.unparse(
                node
            )
            assert "pickle" not in called and called != ["torch", "load"], ast.unparse(node)


def test_no_two_test_files_share_a_name():
    """pytest imports them by their names alone: the second of two would not be run."""
    names = [path.name for path in Path(__file__).parent.rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))
