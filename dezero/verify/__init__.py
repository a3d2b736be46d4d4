"""The verification kit. `import dezero` never imports it."""

from dezero.contract import REALS as REALS
from dezero.contract import Domain as Domain
from dezero.contract import interval as interval
from dezero.verify.campaign import Tally as Tally
from dezero.verify.drawing import programs as programs
from dezero.verify.drawing import variables as variables
from dezero.verify.program import Program as Program
from dezero.verify.target import Check as Check
from dezero.verify.target import Given as Given
from dezero.verify.target import Target as Target
from dezero.verify.target import TargetError as TargetError
from dezero.verify.target import check as check
