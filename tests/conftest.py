"""How much Hypothesis shall try: ``HYPOTHESIS_PROFILE=thorough`` tries forty times as much.

The default is deterministic: a commit passes or fails, whoever runs it. New programs are for campaigns
(`dezero verify`) and for the thorough profile.
"""

from __future__ import annotations

import os

from hypothesis import Phase, settings

settings.register_profile("default", max_examples=60, deadline=None, derandomize=True, database=None)
settings.register_profile("thorough", max_examples=2500, deadline=None, print_blob=True)
# Whoever asks only whether a test fails need not wait for the smallest example.
settings.register_profile(
    "unshrunk", settings.get_profile("default"), phases=[Phase.explicit, Phase.generate]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
