"""The differential tower: an exact normal form of expressions (the method is in ``field``)."""

from hamsym.symbolic.tower.arcs import is_zero_angle as is_zero_angle
from hamsym.symbolic.tower.columns import rows as rows
from hamsym.symbolic.tower.convert import Converter as Converter
from hamsym.symbolic.tower.derive import bracket as bracket
from hamsym.symbolic.tower.derive import derivative as derivative
from hamsym.symbolic.tower.field import Tower as Tower
from hamsym.symbolic.tower.limits import Clock as Clock
from hamsym.symbolic.tower.limits import EmptyDomain as EmptyDomain
from hamsym.symbolic.tower.limits import NotCovered as NotCovered
from hamsym.symbolic.tower.limits import Overrun as Overrun
from hamsym.symbolic.tower.limits import ProofStopped as ProofStopped
from hamsym.symbolic.tower.normal import conditions as conditions
from hamsym.symbolic.tower.normal import vanishes as vanishes
