"""Every case, in kinds. None says what should happen: that is computed, by running the edited project from scratch."""

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
