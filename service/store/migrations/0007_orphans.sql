-- Orphans: callbacks with a good token whose task is not there. They are looked through for tasks that appeared.
CREATE INDEX callbacks_orphans ON callboard.callbacks (id) WHERE outcome = 'orphan';
