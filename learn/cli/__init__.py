"""The learning commands of ``hamsym``; torch is loaded when one of them runs, not before."""

from learn.cli.evaluate import evaluate as evaluate
from learn.cli.reproduce import EXPERIMENTS as EXPERIMENTS
from learn.cli.reproduce import reproduce as reproduce
from learn.cli.sample import sample as sample
from learn.cli.train import train as train
