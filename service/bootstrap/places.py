"""The places of kept videos."""

from service.core.fault import Fault, FaultKind
from service.ports import Place, PlaceError


class NoPlaces:
    """Stands where the table of places comes (`service.media.places`)."""

    def at(self, location: str) -> Place:
        """Find no place."""
        del location
        raise PlaceError(Fault("no_place", "No place is set up here.", FaultKind.TRANSIENT))
