"""The command line: ``hamsym verify | integrals | algebra | simulate`` and whatever installed packages add."""

from hamsym.cli.program import app as app
from hamsym.cli.program import main as main
