"""What an adversary tried: edits that a search for hidden dependencies came up with, in kinds.

Each case is a small project with its edit in place (case.py says how it is written). Nothing here says what should
happen: that is computed by running the edited project from scratch. `own.py` lays a case out for lockstep.
"""

from posts.drift.adversary import (
    digests,
    harmless,
    places,
    reads,
    registries,
    roads,
    settings,
    source,
    state,
)
from posts.drift.adversary.case import Case

CASES: tuple[Case, ...] = (
    *state.CROSSING,
    *digests.MAKERS,
    *places.PLACES,
    *settings.EFFECT_OF_DECLARATION,
    *settings.METHODS,
    *roads.CONDITIONS,
    *state.ORDER,
    *roads.HELD,
    *registries.REGISTRIES,
    *places.DYNAMIC,
    *reads.READS,
    *reads.VARIABLES,
    *source.SOURCE,
    *digests.DIGESTS,
    *harmless.CASES,
)
HARMLESS = tuple(dict.fromkeys(case.kind for case in harmless.CASES))  # kinds of edits that change no result
KINDS = tuple(dict.fromkeys(case.kind for case in CASES))
