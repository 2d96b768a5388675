"""Conservation in systems with sums, proved for the terms of the sums instead of term by term, or refuted at a point."""

from hamsym.symbolic.sum_proofs.decide import decide_sums as decide_sums
