"""The contract that every method keeps, as checks that an author can run on his own file.

A check plays a small stream of `clbench.subject` and raises `BrokenContract` with what was seen
and what would be right.
"""

from clbench.checks import answering, data, forgetting, life, replacing
from clbench.checks.base import BrokenContract, Check, restoring
from clbench.method import Method
from clbench.subject import Subject

__all__ = ["CHECKS", "FORGETTING", "REPLACING", "BrokenContract", "Check", "Subject", "checks_of"]

CHECKS: dict[str, Check] = {
    check.__name__: restoring(check)
    for check in (
        life.plays_what_its_card_says,
        life.same_seed_gives_same_bytes,
        life.resumes_where_it_stopped,
        life.carries_all_that_updates_use,
        life.state_round_trip_changes_no_prediction,
        answering.answers_do_not_depend_on_the_batch,
        answering.answering_changes_nothing,
        data.leaves_the_source_as_it_was,
        data.leaves_torch_as_it_was,
        data.reads_only_what_is_granted,
        data.carries_within_the_budget,
        data.stores_no_more_than_its_card_says,
        data.reads_an_update_once_unless_its_card_says_many,
    )
}
FORGETTING: dict[str, Check] = {
    check.__name__: restoring(check)
    for check in (
        forgetting.forgetting_nothing_changes_nothing,
        forgetting.forgetting_reads_only_what_is_granted,
        forgetting.forgetting_repeats_itself,
        forgetting.forgets_by_what_it_carries,
        forgetting.forgetting_leaves_the_source_as_it_was,
    )
}
REPLACING: dict[str, Check] = {
    check.__name__: restoring(check)
    for check in (
        replacing.replacing_repeats_itself,
        replacing.replaces_by_what_it_carries,
        replacing.replacing_reads_only_what_is_granted,
        replacing.replacing_leaves_the_source_as_it_was,
    )
}


def checks_of(kind: type[Method]) -> dict[str, Check]:
    """The checks that apply to a method: those of forgetting and replacing if its card plays them.

    All methods are checked as they learn.
    """
    plays = kind.card.plays
    forgetting_too = FORGETTING if "forget" in plays else {}
    return CHECKS | forgetting_too | (REPLACING if "replace" in plays else {})
