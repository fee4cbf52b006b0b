/**
 * Cloudflare Workers: events are verified and put into a queue, and the queue's consumer starts the next step.
 *
 * The plan travels with the task, in `metadata.next`: submissions, one after the other, with `$videoURL` where
 * the finished video goes. No package is needed: Web Crypto checks the signatures, in constant time.
 */

const TOLERANCE_S = 300;
const ENCODER = new TextEncoder();
const STARTED_BEFORE = 409; // there is a task of this name already
const REFUSED_FOR_GOOD = new Set([400, 404, 413, 415, 422]);

export default {
  /** Verify a delivery, keep its events in the queue, and only then say yes. */
  async fetch(request, env) {
    if (request.method !== "POST") {
      return new Response(null, { status: 405, headers: { Allow: "POST" } });
    }
    const body = new Uint8Array(await request.arrayBuffer());
    const id = await verify(request.headers, body, env);
    if (id === null) {
      return new Response("not verified\n", { status: 401 });
    }
    let events;
    try {
      events = readEvents(request.headers, id, body);
    } catch (error) {
      return new Response(`${error.message}\n`, { status: error instanceof Refused ? 401 : 400 });
    }
    const wanted = events.filter((event) => event.type === "video.completed" && event.data);
    await Promise.all(wanted.map(({ id, data }) => env.EVENTS.send(neededOf(id, data))));
    return new Response(null, { status: 204 });
  },

  /** Do what the events ask for; what fails is tried again by the queue. */
  async queue(batch, env) {
    for (const message of batch.messages) {
      try {
        await startNext(message.body, env);
        message.ack();
      } catch (error) {
        console.error(`event ${message.body.id}: ${error.message}`);
        message.retry();
      }
    }
  },
};

class Refused extends Error {}

/** Leave out what the next step does not need: a message has at most 128 KB. */
function neededOf(id, { task, result }) {
  const { taskUUID, metadata } = task;
  return { id, taskUUID, metadata, videoURL: result.videoURL };
}

/** Give the id of a delivery whose signature is good and fresh, or null (Standard Webhooks 1.0: v1, v1a). */
export async function verify(headers, body, env, now = Date.now() / 1000) {
  const [id, timestamp, signature] = ["id", "timestamp", "signature"].map(
    (name) => headers.get(`webhook-${name}`) ?? "",
  );
  // A header that came twice has a comma here; with a dot in it, the end of an id could pass for the timestamp.
  if (!/^[!-+\-/-~]{1,256}$/.test(id) || !/^(0|[1-9]\d{0,11})$/.test(timestamp)) return null;
  if (signature.length > 8192 || Math.abs(now - Number(timestamp)) > TOLERANCE_S) return null;
  const start = ENCODER.encode(`${id}.${timestamp}.`);
  const message = new Uint8Array(start.length + body.length);
  message.set(start);
  message.set(body, start.length);
  const entries = signature.split(" ").map((entry) => entry.split(","));
  for (const { version, algorithm, key } of await keysOf(env)) {
    for (const [given, encoded, ...more] of entries) {
      const bytes = given === version && more.length === 0 ? decoded(encoded) : null;
      if (bytes !== null && (await crypto.subtle.verify(algorithm, key, bytes, message))) return id;
    }
  }
  return null;
}

/** Read the keys that are trusted; a wrong one is our own mistake, and a 5xx. */
async function keysOf(env) {
  const secrets = (env.CALLBOARD_WEBHOOK_SECRET ?? "").split(",").filter(Boolean);
  const publicKeys = (env.CALLBOARD_WEBHOOK_PUBLIC_KEY ?? "").split(",").filter(Boolean);
  const hmac = { name: "HMAC", hash: "SHA-256" };
  const ed25519 = { name: "Ed25519" };
  const keys = await Promise.all([
    ...secrets.map((text) => imported("v1", hmac, text, /^whsec_/)),
    ...publicKeys.map((text) => imported("v1a", ed25519, text, /^whpk_/)),
  ]);
  if (keys.length === 0) throw new Error("no secret and no public key is configured");
  return keys;
}

async function imported(version, algorithm, text, prefix) {
  const raw = decoded(text.trim().replace(prefix, ""));
  if (raw === null) throw new Error(`a key of ${version} is not base64`);
  const key = await crypto.subtle.importKey("raw", raw, algorithm, false, ["verify"]);
  return { version, algorithm: algorithm.name, key };
}

/** Decode base64, or give null. */
function decoded(text) {
  try {
    return Uint8Array.from(atob(text ?? ""), (letter) => letter.charCodeAt(0));
  } catch {
    return null;
  }
}

/** Give the events of a verified delivery as {id, type, data}, whatever the subscription's format. */
export function readEvents(headers, id, body) {
  const value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  const type = (headers.get("content-type") ?? "").toLowerCase();
  if (type.startsWith("application/cloudevents")) {
    const events = type.startsWith("application/cloudevents-batch") ? value : [value];
    if (events.some((event) => !event.id || !event.type)) throw new Error("no CloudEvent");
    return events;
  }
  if (headers.has("ce-type")) {
    // No signature covers the ce-* headers.
    if (headers.get("ce-id") !== id) throw new Refused("ce-id is not the webhook-id");
    return [{ id, type: headers.get("ce-type"), data: value }];
  }
  if (!value.type) throw new Error("no event");
  return [{ id, type: value.type, data: value.data }];
}

/** Submit the next step of a video's plan, once however often its event arrives. */
async function startNext({ id, taskUUID, metadata, videoURL }, env) {
  const [step, ...rest] = metadata?.next ?? [];
  if (!step || !videoURL) return;
  const inJSON = JSON.stringify(videoURL).slice(1, -1);
  const filled = JSON.parse(JSON.stringify(step).replaceAll("$videoURL", () => inJSON));
  const answer = await fetch(`${env.CALLBOARD_URL}/v1/tasks`, {
    method: "POST",
    headers: {
      Authorization: `Bearer ${env.CALLBOARD_API_KEY}`,
      "Content-Type": "application/json",
    },
    // Named after the event, it is one task for ever: this is what makes it idempotent.
    body: JSON.stringify({ ...filled, taskUUID: id, metadata: { ...metadata, next: rest } }),
  });
  if (answer.ok || answer.status === STARTED_BEFORE) return;
  const text = await answer.text();
  if (!REFUSED_FOR_GOOD.has(answer.status)) throw new Error(`Callboard said ${answer.status}`);
  console.error(`the step after ${taskUUID} is refused: ${text}`);
}
