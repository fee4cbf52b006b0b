-- An event is asked for by its id alone: `dataref` of one that was too large for a target names no more.
CREATE INDEX events_by_id ON callboard.events (id);
