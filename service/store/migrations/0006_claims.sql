-- Indexes for what would read whole tables as they grow (tests/scale shows that nothing does).

-- Pages of tasks of one state, and of a time; models and providers are found among the newest.
CREATE INDEX tasks_of_state ON callboard.tasks (tenant, state, seq);
CREATE INDEX tasks_created ON callboard.tasks (created_at);

-- The inbox by outcome. What was applied, which is most of it, is in no index more than before.
CREATE INDEX callbacks_odd ON callboard.callbacks (tenant, outcome, id DESC) WHERE outcome <> 'applied';

-- What a subscription's end cancels.
CREATE INDEX deliveries_held ON callboard.deliveries (target) WHERE state = 'held';
