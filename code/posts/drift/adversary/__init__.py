"""What an adversary tried: edits that a search for hidden dependencies came up with, in kinds.

Each case is a small project with its edit in place (case.py says how it is written). Nothing here says what should
happen: that is computed by running the edited project from scratch. `own.py` lays a case out for lockstep.
"""

from posts.drift.adversary import (
    classes,
    conditions,
    declarations,
    digests,
    imports,
    modules,
    places,
    reads,
    registries,
    settings,
    source,
    state,
    unread,
    wording,
)
from posts.drift.adversary.case import Case

HARMFUL: tuple[Case, ...] = (
    *state.CROSSING,
    *digests.MAKERS,
    *places.PLACES,
    *declarations.EFFECTS,
    *settings.METHODS,
    *conditions.CONDITIONS,
    *state.ORDER,
    *modules.HELD,
    *registries.REGISTRIES,
    *classes.CLASSES,
    *imports.DYNAMIC,
    *reads.READS,
    *reads.VARIABLES,
    *source.SOURCE,
    *digests.DIGESTS,
)
HARMLESS: tuple[Case, ...] = (*unread.UNREAD, *wording.FORM, *wording.DECLARATIONS, *wording.SAME)
CASES = (*HARMFUL, *HARMLESS)
KINDS = tuple(dict.fromkeys(case.kind for case in CASES))
