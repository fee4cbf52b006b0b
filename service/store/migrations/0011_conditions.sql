-- Conditions of subscriptions: SQL/JSON path predicates on the data of events, evaluated while events are written.

-- Reads a condition: how Postgres spells it, and why it is none. Without a fault it is a predicate: any other path
-- gives no single boolean of an empty object.
CREATE FUNCTION callboard.read_condition(condition text, OUT canonical text, OUT fault text)
LANGUAGE plpgsql STABLE AS $$
BEGIN
  canonical := condition::jsonpath::text;
  PERFORM jsonb_path_match('{}', condition::jsonpath);
EXCEPTION WHEN OTHERS THEN
  fault := SQLERRM;
END
$$;

-- The next two never fail, so that no condition makes the commit of an outcome fail. An exception that is caught
-- is a subtransaction that writes nothing: it takes no transaction id.

-- Reads JSON that jsonb may not take: half a surrogate pair, a number beyond numeric. Then it is null.
CREATE FUNCTION callboard.jsonb_or_null(data text) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN data::jsonb;
EXCEPTION WHEN OTHERS THEN
  RETURN NULL;
END
$$;

-- Whether data meets a condition; what this server cannot read (it was written for a newer one) is not met.
CREATE FUNCTION callboard.meets(data jsonb, condition text) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN coalesce(jsonb_path_match(data, condition::jsonpath, '{}', true), false);
EXCEPTION WHEN OTHERS THEN
  RETURN false;
END
$$;
