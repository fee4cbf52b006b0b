"""The statements that run all the time, each explained by the plan tests with its arguments and its limits.

The limits are the same however much is stored: they follow from the batch of 100 alone.
"""

from tests.scale.hot_again import AGAIN
from tests.scale.hot_archives import ARCHIVES
from tests.scale.hot_claims import CLAIMS
from tests.scale.hot_reads import READS
from tests.scale.hot_writes import CALLBACKS, SENDS, WRITES
from tests.scale.limits import Hot

HOT: dict[str, Hot] = {**CLAIMS, **CALLBACKS, **SENDS, **READS, **WRITES, **AGAIN, **ARCHIVES}
