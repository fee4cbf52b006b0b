"""Batches to the JSON that is shown and announced."""

from service.core.batch import Batch, Progress
from service.core.states import State
from service.wire.api import public_state, rfc3339


def batch_view(batch: Batch, progress: Progress) -> dict[str, object]:
    """Show a batch; it is `completed` once `batch.completed` was written."""
    finished = batch.finished_at
    return {
        "id": str(batch.id),
        "state": "running" if finished is None else "completed",
        "total": batch.total,
        "counts": {public_state(state): progress.counts.get(state, 0) for state in State},
        "cost": None if progress.cost is None else float(progress.cost),
        "createdAt": rfc3339(batch.created_at),
        "finishedAt": None if finished is None else rfc3339(finished),
    }
