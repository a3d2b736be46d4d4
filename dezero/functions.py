"""Every function on Variables, with its operation: what is normally called ``F``.

Also what rules are given as ``xp`` when they shall record themselves (see `dezero.namespace`).
"""

from dezero.core import *
from dezero.functions_array import *
from dezero.functions_conv import *
from dezero.functions_elementwise import *
from dezero.functions_nn import *
