"""No statement slips past the plan tests: each is in their table, or in the list of cold ones with a reason."""

from service.store.queries import load_all
from tests.scale.cold import COLD
from tests.scale.hot import HOT

NAMED = {name for blocks in load_all().values() for name in blocks}
EXPLAINED = {key.partition(":")[0] for key in HOT}


def test_every_statement_has_its_plan_tested_or_a_reason_why_not() -> None:
    assert NAMED - EXPLAINED - COLD.keys() == set()


def test_the_tables_of_statements_name_only_what_is_there_and_each_once() -> None:
    assert EXPLAINED | COLD.keys() <= NAMED
    assert not EXPLAINED & COLD.keys()
