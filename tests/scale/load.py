"""Fills a migrated database as months of work would: finished and open tasks with all that hangs on them.

Set by set, with the indexes in place, so that they have the shape of grown ones. Everything follows from the
number of a task: `n % 100` says how it went.
"""

import asyncpg

BEGIN = (
    "SET synchronous_commit = off; SET session_replication_role = replica; SET work_mem = '128MB'"
)

# Finished tasks are spread evenly over the days, open ones over the last hour: sent are those that came first.
TASKS = """
INSERT INTO callboard.tasks
  (task_uuid, tenant, provider, account, pinned, model, state, priority, results_expected, created_at, start_by,
   deadline_seconds, first_sent_at, sent_at, submitted_at, finished_at, attempts, upstream_id, polls, look_again_at,
   slot_since, event_sequence, terminal_event, retry_of, batch_id, archives)
SELECT md5('task' || n)::uuid, CASE n % 50 WHEN 7 THEN 'other' ELSE 'default' END,
       CASE WHEN n % 10 < 7 THEN 'runware' ELSE 'sync' END,
       CASE n % 20 WHEN 3 THEN 'second' ELSE 'default' END, n % 20 = 3, 'model:' || n % 12, s.state,
       CASE n % 20 WHEN 1 THEN 10 WHEN 2 THEN -10 ELSE 0 END, 1 + (n % 10 = 4)::integer, c.at,
       c.at + interval '7 days', 3600, f.sent_at, f.sent_at, f.sent_at, f.finished_at, (f.sent_at IS NOT NULL)::integer,
       CASE WHEN f.sent_at IS NOT NULL THEN 'up-' || n END, n % 3,
       CASE WHEN s.state = 'queued' THEN c.at + CASE n % 10 WHEN 0 THEN interval '2 hours' ELSE interval '0' END
            WHEN f.finished_at IS NULL THEN now() + make_interval(secs => n % 600 - 60)
            WHEN n % 1000 = 6 THEN now() + interval '1 hour' END,
       CASE WHEN f.sent_at IS NOT NULL AND (f.finished_at IS NULL OR n % 1000 = 6) THEN f.sent_at END,
       CASE WHEN s.state = 'queued' THEN 0 WHEN f.finished_at IS NULL THEN 1 ELSE 2 END,
       CASE WHEN f.finished_at IS NOT NULL THEN md5('end' || n)::uuid END,
       CASE WHEN n % 200 = 9 THEN md5('task' || n - 9)::uuid END, CASE WHEN n % 10 = 8 THEN md5('batch' || n / 5000)::uuid END,
       n % 50 = 14
FROM generate_series(1, $1::integer + $2::integer) AS n,
     LATERAL (SELECT CASE WHEN n > $1 + $2 * 0.4 THEN 'queued' WHEN n > $1 + $2 * 0.38 THEN 'submitting'
                          WHEN n > $1 THEN 'processing' WHEN n % 100 < 6 THEN 'failed' WHEN n % 100 = 6 THEN 'timed_out'
                          WHEN n % 100 = 7 THEN 'rejected' WHEN n % 100 < 10 THEN 'canceled' ELSE 'completed' END AS state) AS s,
     LATERAL (SELECT CASE WHEN n <= $1 THEN now() - interval '2 hours' - make_interval(days => $3) * (1 - n::float8 / $1)
                          ELSE now() - make_interval(secs => 3600 - 3600 * (n - $1)::float8 / $2) END AS at) AS c,
     LATERAL (SELECT CASE WHEN n <= $1 THEN c.at + interval '3 minutes' END AS finished_at,
                     CASE WHEN s.state NOT IN ('queued', 'rejected') THEN c.at + interval '2 seconds' END AS sent_at) AS f
ORDER BY n
"""
BATCHES = """
INSERT INTO callboard.batches (id, tenant, total, created_at, finished_at, event_id)
SELECT b.batch_id, 'default', b.total, b.created_at, b.finished_at, CASE WHEN b.finished_at IS NOT NULL THEN gen_random_uuid() END
FROM (SELECT t.batch_id, count(*) AS total, min(t.created_at) AS created_at,
             CASE WHEN bool_and(t.finished_at IS NOT NULL) THEN max(t.finished_at) END AS finished_at
      FROM callboard.tasks AS t WHERE t.batch_id IS NOT NULL GROUP BY t.batch_id) AS b
ORDER BY b.created_at
"""
PAYLOADS = """
INSERT INTO callboard.task_payloads (task_uuid, request, metadata, labels, notify_url, first_url, first_body, first_account, archive)
SELECT t.task_uuid, '{"prompt":"' || repeat(md5(t.seq::text), 12) || '"}', '{"order":' || t.seq || '}',
       jsonb_build_object('customer', 'c' || t.seq % 5000, 'tier', t.seq % 3),
       CASE t.seq % 10 WHEN 5 THEN 'https://customer.example/hook' END,
       CASE WHEN t.sent_at IS NOT NULL THEN 'https://api.example/v1' END,
       CASE WHEN t.sent_at IS NOT NULL THEN convert_to(repeat(md5(t.seq::text), 14), 'UTF8') END, t.account,
       CASE WHEN t.archives THEN '{"to": "disk", "before": false, "days": null}' END
FROM callboard.tasks AS t ORDER BY t.seq
"""
LABELS = """
INSERT INTO callboard.task_labels (tenant, key, value, seq, task_uuid)
SELECT t.tenant, l.key, l.value, t.seq, t.task_uuid
FROM callboard.tasks AS t,
     LATERAL (VALUES ('customer', 'c' || t.seq % 5000), ('tier', (t.seq % 3)::text)) AS l (key, value)
ORDER BY t.seq
"""
# One task in fifty has its videos kept. Of their files most are there, a tenth of these for a time that is over for one in
# ten; a twentieth failed; a tenth is to be fetched, most of it later, and some of what is due is being fetched.
ARCHIVES = """
INSERT INTO callboard.archives (task_uuid, index, tenant, place, state, created_at, next_at, attempts, lease_no, lease_until,
                                lease_owner, error, location, bytes, kept_at, expires_at)
SELECT t.task_uuid, i.index, t.tenant, 'disk', s.state, t.finished_at,
       CASE s.state WHEN 'pending' THEN CASE d.due WHEN true THEN now() - make_interval(secs => k.n % 97)
                                                   ELSE now() + make_interval(mins => 30 + (k.n % 97)::integer) END
                    WHEN 'deleting' THEN now() - make_interval(secs => k.n % 89) END,
       CASE s.state WHEN 'pending' THEN 1 + k.n % 5 ELSE 1 END, 2,
       CASE WHEN d.due AND k.n % 7 = 0 THEN now() + interval '1 hour' END, md5('worker' || k.n % 3)::uuid,
       CASE s.state WHEN 'failed' THEN 'too_large' WHEN 'pending' THEN 'no_answer' END,
       CASE WHEN s.state IN ('kept', 'deleting') THEN 'disk:default/' || t.task_uuid || '/' || i.index || '-' || md5(t.seq::text) END,
       CASE WHEN s.state IN ('kept', 'deleting') THEN 20000000 + t.seq END,
       CASE WHEN s.state IN ('kept', 'deleting') THEN t.finished_at + interval '20 seconds' END,
       CASE WHEN s.state IN ('kept', 'deleting') AND k.n % 10 = 4 THEN
            CASE WHEN k.n % 100 = 4 THEN now() - make_interval(secs => k.n % 10007) ELSE now() + interval '30 days' * (1 + k.n % 11) END END
FROM callboard.tasks AS t, LATERAL generate_series(0, t.results_expected - 1) AS i (index),
     LATERAL (SELECT t.seq / 50 AS n) AS k,
     LATERAL (SELECT CASE WHEN k.n % 20 = 0 THEN 'failed' WHEN k.n % 20 IN (1, 2) THEN 'pending'
                          WHEN k.n % 200 = 3 THEN 'deleting' ELSE 'kept' END AS state) AS s,
     LATERAL (SELECT s.state = 'pending' AND k.n / 20 % 10 = 0 AS due) AS d
WHERE t.archives AND t.state = 'completed' ORDER BY t.seq
"""
RESULTS = """
INSERT INTO callboard.results (task_uuid, index, state, video_uuid, video_url, cost, settled_at, event_id, archive)
SELECT t.task_uuid, i.index, s.state, CASE s.state WHEN 'completed' THEN 'video-' || t.seq || '-' || i.index END,
       CASE s.state WHEN 'completed' THEN 'https://vm.example/video/' || t.seq || '.mp4' END, 0.665, t.finished_at, NULL,
       CASE WHEN a.state IS NOT NULL THEN jsonb_build_object(
         'state', CASE a.state WHEN 'deleting' THEN 'kept' ELSE a.state END,
         'media', CASE WHEN a.location IS NOT NULL THEN jsonb_build_object(
           'sha256', repeat(md5(t.seq::text), 2), 'bytes', a.bytes, 'content_type', 'video/mp4', 'container', 'MPEG-4',
           'duration_s', 5.0, 'width', 1920, 'height', 1080, 'video_codec', 'AVC', 'audio_codec', NULL) END,
         'url', CASE WHEN a.location IS NOT NULL THEN 'https://board.example/v1/tasks/' || t.task_uuid || '/videos/' || i.index END,
         'error', CASE a.state WHEN 'failed' THEN jsonb_build_array(a.error, 'The video is too large.', 'permanent') END) END
FROM callboard.tasks AS t CROSS JOIN LATERAL generate_series(0, t.results_expected - 1) AS i (index)
LEFT JOIN callboard.archives AS a ON a.task_uuid = t.task_uuid AND a.index = i.index,
     LATERAL (SELECT CASE WHEN t.finished_at IS NULL THEN 'pending' WHEN t.state = 'completed' THEN 'completed'
                          WHEN t.state = 'canceled' THEN 'canceled' ELSE 'failed' END AS state) AS s
ORDER BY t.seq
"""
HISTORY = """
INSERT INTO callboard.history (task_uuid, at, kind, name, from_state, to_state, detail)
SELECT t.task_uuid, h.at, h.kind, h.name, h.before, h.after, '{"durationMs": 240}'
FROM callboard.tasks AS t,
     LATERAL (VALUES (t.sent_at, 'upstream', 'submit', NULL, NULL),
                     (t.sent_at, 'transition', 'sent', 'queued', 'submitting'),
                     (t.finished_at, 'transition', 'settled', 'processing', t.state)) AS h (at, kind, name, before, after)
WHERE h.at IS NOT NULL ORDER BY t.seq
"""
CALLBACKS = """
INSERT INTO callboard.callbacks (received_at, tenant, provider, task_uuid, body, outcome, settled_at)
SELECT t.finished_at, t.tenant, t.provider, t.task_uuid, convert_to(repeat(md5(t.seq::text), 16), 'UTF8'),
       CASE WHEN t.seq % 100 < 3 THEN 'duplicate' WHEN t.seq % 1000 = 11 THEN 'late' WHEN t.seq % 10000 = 12 THEN 'unreadable'
            WHEN t.seq % 10000 = 13 THEN 'orphan' ELSE 'applied' END, t.finished_at
FROM callboard.tasks AS t WHERE t.finished_at IS NOT NULL ORDER BY t.seq
"""
PENDING = """
INSERT INTO callboard.callbacks (received_at, provider, task_uuid, body, outcome)
SELECT now(), t.provider, t.task_uuid, '{}', 'pending'
FROM callboard.tasks AS t WHERE t.state = 'processing' AND t.seq % 4 = 0 ORDER BY t.seq
"""
# The feed grew before a restore: rows of older incarnations are all visible, whatever their transaction ids.
EVENTS = """
INSERT INTO callboard.events (created_at, id, xid, incarnation, tenant, source, type, task_uuid, sequence, data)
SELECT e.at, md5('event' || t.seq || e.type)::uuid, (t.seq::text)::xid8, 1, t.tenant, 'https://board.example', e.type,
       t.task_uuid, e.sequence, convert_to(repeat(md5(t.seq::text), 14), 'UTF8')
FROM callboard.tasks AS t,
     LATERAL (VALUES (t.sent_at, 'task.processing', 1), (t.finished_at, 'task.' || t.state, 2)) AS e (at, type, sequence)
WHERE e.at IS NOT NULL ORDER BY t.seq, e.sequence;
UPDATE callboard.feed SET incarnation = 2
"""
# One in ten events goes to a notifyURL; of open tasks some wait, some of these for a later time, some are under way.
DELIVERIES = """
INSERT INTO callboard.deliveries (created_at, tenant, event_id, task_uuid, subscription_id, target, lane, state, attempts,
                                  next_at, lease_no, lease_until, finished_at)
SELECT e.created_at, e.tenant, e.id, e.task_uuid, s.id, coalesce(s.id, e.task_uuid),
       coalesce(s.id, md5((t.seq % 97)::text)::uuid), d.state, 1,
       CASE d.state WHEN 'pending' THEN CASE t.seq % 5 WHEN 0 THEN now() + interval '20 minutes' ELSE e.created_at END END,
       1, CASE d.state WHEN 'sending' THEN now() + make_interval(secs => 20 - t.seq % 25) END,
       CASE WHEN d.state NOT IN ('pending', 'sending', 'held') THEN e.created_at END
FROM callboard.tasks AS t JOIN callboard.events AS e USING (task_uuid)
LEFT JOIN callboard.subscriptions AS s ON t.seq % 10 <> 5 AND s.url = 'https://sub.example/' || t.seq % 97,
     LATERAL (SELECT CASE WHEN t.finished_at IS NULL THEN CASE t.seq % 50 WHEN 49 THEN 'sending' ELSE 'pending' END
                          WHEN t.seq % 200 = 3 THEN 'failed' WHEN t.seq % 500 = 8 THEN 'held' ELSE 'delivered' END AS state) AS d
ORDER BY t.seq, e.sequence
"""
LANES = "INSERT INTO callboard.lanes (lane) SELECT DISTINCT d.lane FROM callboard.deliveries AS d"
ATTEMPTS = """
INSERT INTO callboard.attempts (at, delivery_id, task_uuid, no, duration_ms, status, response)
SELECT d.finished_at, d.id, d.task_uuid, 1, 42, 200, 'ok' FROM callboard.deliveries AS d WHERE d.finished_at IS NOT NULL ORDER BY d.id
"""
SMALL = """
INSERT INTO callboard.tenants (tenant) VALUES ('other');
INSERT INTO callboard.subscriptions (id, tenant, kind, url, types)
SELECT md5('sub' || n)::uuid, 'default', 'webhook', 'https://sub.example/' || n, '{*}' FROM generate_series(0, 96) AS n;
INSERT INTO callboard.api_keys (id, tenant, name, prefix, hash)
SELECT md5('key' || n)::uuid, 'default', 'key', 'cb_', convert_to(md5('key' || n), 'UTF8') FROM generate_series(1, 50) AS n;
INSERT INTO callboard.accounts (tenant, provider, account, concurrency)
VALUES ('default', 'runware', 'default', 400), ('default', 'runware', 'second', 100), ('default', 'sync', 'default', 400);
INSERT INTO callboard.slots (tenant, provider, account, slot_no)
SELECT a.tenant, a.provider, a.account, n FROM callboard.accounts AS a, generate_series(1, a.concurrency) AS n;
INSERT INTO callboard.idempotency_keys (tenant, method, path, key, body_hash, status, created_at)
SELECT 'default', 'POST', '/v1/tasks', 'key-' || n, '\\x00', 202, now() - make_interval(secs => n % 172800)
FROM generate_series(1, 100000) AS n;
"""
SLOTS = """
UPDATE callboard.slots AS s SET task_uuid = t.task_uuid, taken_at = t.sent_at
FROM (SELECT task_uuid, sent_at, provider, account, row_number() OVER (PARTITION BY provider, account ORDER BY seq) AS n
      FROM callboard.tasks WHERE state IN ('submitting', 'processing')) AS t
WHERE s.provider = t.provider AND s.account = t.account AND s.slot_no = t.n AND t.n <= 350
"""
STEPS = (
    BATCHES,
    PAYLOADS,
    LABELS,
    ARCHIVES,
    RESULTS,
    HISTORY,
    CALLBACKS,
    PENDING,
    EVENTS,
    DELIVERIES,
    LANES,
    ATTEMPTS,
    SLOTS,
)


async def fill(dsn: str, finished: int, unfinished: int, days: int) -> None:
    """Fill a migrated, empty database; `days` is over how many days the finished tasks are spread."""
    conn = await asyncpg.connect(dsn, timeout=10)
    try:
        await conn.execute(BEGIN)
        partitions = "SELECT callboard.ensure_partitions((now() AT TIME ZONE 'UTC')::date - $1::integer - 2, $1 + 3)"
        await conn.execute(partitions, days)
        await conn.execute(SMALL)
        await conn.execute(TASKS, finished, unfinished, days)
        for step in STEPS:
            await conn.execute(step)
        await conn.execute("VACUUM (ANALYZE)")
    finally:
        await conn.close()
