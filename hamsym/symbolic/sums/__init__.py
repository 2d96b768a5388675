"""Sums over subscripted names: read, checked, counted, written out, and laid out as loops."""

from hamsym.symbolic.sums.checks import require_each as require_each
from hamsym.symbolic.sums.checks import require_sums as require_sums
from hamsym.symbolic.sums.expansion import each_written_out as each_written_out
from hamsym.symbolic.sums.expansion import has_sums as has_sums
from hamsym.symbolic.sums.expansion import outermost as outermost
from hamsym.symbolic.sums.expansion import term_count as term_count
from hamsym.symbolic.sums.expansion import used_symbols as used_symbols
from hamsym.symbolic.sums.expansion import written_out as written_out
from hamsym.symbolic.sums.families import Access as Access
from hamsym.symbolic.sums.families import Families as Families
from hamsym.symbolic.sums.ranges import Ranges as Ranges
from hamsym.symbolic.sums.reading import read_sums as read_sums
from hamsym.symbolic.sums.terms import Term as Term
from hamsym.symbolic.sums.terms import auxiliaries as auxiliaries
from hamsym.symbolic.sums.terms import summands as summands
