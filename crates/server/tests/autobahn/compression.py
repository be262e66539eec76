"""The Autobahn cases 12 and 13, about compression, with fewer messages than their thousand: compression.py MESSAGES
[kosoku's own arguments]. `run.py` starts it and judges what it writes.

It also mends kosoku 0.1.0, whose cases of this kind fail on an answer that is not compressed, as is a server's right:
they are handed its payload as text, but hash bytes.
"""

import sys

from kosoku import _caseindex

_caseindex.initialize_shims()  # Before the cases can be imported.

import case12_x_x  # noqa: E402
from kosoku._cli import main  # noqa: E402


def in_bytes(on_message):
    def handed(self, message, binary):
        if isinstance(message, str):
            message = message.encode("latin-1" if binary else "utf-8")
        on_message(self, message, binary)

    return handed


for case in case12_x_x.Case12_X_X + case12_x_x.Case13_X_X:
    case.COUNT = int(sys.argv[1])
    case.onMessage = in_bytes(case.onMessage)

sys.argv = ["kosoku", *sys.argv[2:]]
main()
