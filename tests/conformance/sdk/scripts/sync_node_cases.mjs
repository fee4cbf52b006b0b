// Run by node where `@sync.so/sdk` is installed: its folder, then the address of the simulator.
import { File } from "node:buffer"; // global from node 20 on
import { createRequire } from "node:module";

const [home, base] = process.argv.slice(2);
const { SyncClient, SyncError } = createRequire(`${home}/package.json`)("@sync.so/sdk");

const client = new SyncClient({ baseUrl: base, apiKey: "any" });
const VIDEO = "https://cdn.example/v.mp4";
const AUDIO = "https://cdn.example/a.wav";
const HOUR = 3_600_000;

const inputs = (simulate = "ok") => [
  { type: "video", url: `${VIDEO}?simulate=${simulate}` },
  { type: "audio", url: AUDIO },
];

// It tries 429 and 5xx again by itself, so cases about such answers ask it not to.
const once = { maxRetries: 0 };

const create = (simulate, more = {}, options = {}) =>
  client.generations.create({ model: "sync-3", input: inputs(simulate), ...more }, options);

// It has no query parameters, so it cannot wait for the end as the Python one can.
async function until(read, good) {
  const deadline = Date.now() + 10_000;
  let found = await read();
  while (!good(found) && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    found = await read();
  }
  return found;
}

const ended = (made) =>
  until(
    () => client.generations.get(made.id),
    (one) => !["PENDING", "PROCESSING"].includes(one.status),
  );

function batchFile(simulate = "ok") {
  const rows = Array.from({ length: 20 }, (_, number) =>
    JSON.stringify({
      request_id: `r${number}`,
      endpoint: "/v2/generate",
      payload: { model: "sync-3", input: inputs(number === 0 ? simulate : "ok") },
    }),
  );
  return new File([rows.join("\n")], "batch.jsonl");
}

async function post(path, body) {
  const headers = { "x-api-key": "any", "Content-Type": "application/json" };
  const options = { method: "POST", headers, body: JSON.stringify(body) };
  return (await fetch(base + path, options)).json();
}

const CASES = {
  async success() {
    const made = await create("ok", {
      options: { sync_mode: "cut_off" },
      outputFileName: "job_17",
    });
    const done = await ended(made);
    const video = await (await fetch(done.outputUrl)).arrayBuffer();
    return { made, done, video: video.byteLength };
  },

  async spoken() {
    const voice = { name: "elevenlabs", voiceId: "v", script: "Good morning." };
    const input = [
      { type: "video", url: VIDEO },
      { type: "text", provider: voice },
    ];
    return ended(await create("", { input }));
  },

  failure: async () => ended(await create("fail:generation_timeout")),

  async listed() {
    const made = [];
    for (const name of ["early", "early,fail", "delay:60", "early"]) {
      made.push(await create(name));
    }
    const ids = made.slice(0, 3).map((one) => one.id);
    const found = await client.generations.list({ status: ["COMPLETED", "FAILED"], ids });
    const one = await client.generations.list({ ids: [ids[2]] });
    return {
      ids,
      found: Object.fromEntries(found.map((each) => [each.id, each.status])),
      one: one.map((each) => each.id),
    };
  },

  files: () =>
    client.generations.createWithFiles(
      new File(["a video"], "v.mp4", { type: "video/mp4" }),
      undefined,
      {
        model: "sync-3",
        input: [{ type: "audio", url: AUDIO }],
        options: { sync_mode: "loop" },
      },
    ),

  // One part of the form for each element.
  "form of urls": () =>
    client.generations.createWithFiles(undefined, undefined, {
      model: "sync-3",
      input: inputs(),
    }),

  estimated: () =>
    client.generations.estimateCost({
      model: "sync-3",
      input: [
        { type: "video", url: `${VIDEO}?seconds=10` },
        { type: "audio", url: `${AUDIO}?seconds=10` },
      ],
    }),

  async repeated() {
    const options = { ...once, headers: { "Idempotency-Key": "node-drop" } };
    const lost = await create("drop", {}, options).then(
      () => null,
      (error) => error.constructor.name,
    );
    return { lost, made: await ended(await create("drop", {}, options)) };
  },

  retried: () => create("503", {}, { headers: { "Idempotency-Key": "node-503" } }),

  async batch() {
    const dry = await client.batch.create(batchFile(), { dry_run: true });
    const made = await client.batch.create(batchFile("fail"), { dry_run: false });
    const done = await until(
      () => client.batch.get(made.id),
      (one) => one.outputUrl !== "",
    );
    const at = (shift) => new Date(Date.now() + shift).toISOString();
    const found = await client.batch.list({
      status: "COMPLETED",
      created_after: at(-HOUR),
      created_before: at(HOUR),
    });
    const later = await client.batch.list({ created_after: at(HOUR) });
    const answer = await fetch(done.outputUrl, { headers: { "x-api-key": "any" } });
    const rows = (await answer.text()).trim().split("\n").map((line) => JSON.parse(line));
    return { dry, made, done, found: found.map((one) => one.id), later: later.length, rows };
  },

  // The SDK only reads the library, so it is filled by hand.
  async assets() {
    const wanted = { fileName: "v.mp4", contentType: "video/mp4", size: 7 };
    const place = await post("/v2/assets/upload", wanted);
    const headers = { "Content-Type": "video/mp4" };
    await fetch(place.uploadUrl, { method: "PUT", headers, body: "a video" });
    const made = [
      await post("/v2/assets", { url: place.url, type: "VIDEO", name: "clip" }),
      await post("/v2/assets", { url: AUDIO, type: "AUDIO" }),
    ];
    const page = await client.assets.list({ limit: 1 });
    const rest = await client.assets.list({ limit: 1, cursor: page.nextCursor });
    const videos = await client.assets.list({
      types: ["VIDEO", "IMAGE"],
      searchQuery: "CLIP",
      sortBy: "nameAsc",
    });
    return {
      made: made.map((one) => one.id),
      pages: [...page.items, ...rest.items].map((one) => one.id),
      videos: videos.items.map((one) => one.id),
      total: page.totalCount,
      one: await client.assets.get(made[0].id),
    };
  },

  models: () => client.models.list(),
  "bad key": () => new SyncClient({ baseUrl: base, apiKey: "bad-key" }).models.list(),
  invalid: () => create("ok", { options: { temperature: 2 } }),
  throttled: () => create("429", {}, once),
  busy: () => create("busy", {}, once),
  broken: () => create("500", {}, once),
  unpaid: () => create("402", {}, once),
  proxy: () => create("html", {}, once),
  unknown: () => client.generations.get("6533643b-acbe-4c40-967e-d9ba9baac39e"),
  "unknown asset": () => client.assets.get("6533643b-acbe-4c40-967e-d9ba9baac39e"),
  "unknown batch": () => client.batch.get("batch_0"),
  "batch plan": () => client.batch.create(batchFile("402"), {}),
  "batch busy": () => client.batch.create(batchFile("busy"), {}, once),
  "batch invalid": () => client.batch.create(new File(["{}"], "batch.jsonl"), {}),
};

const said = {};
for (const [name, run] of Object.entries(CASES)) {
  try {
    said[name] = { value: await run() };
  } catch (error) {
    if (!(error instanceof SyncError)) throw error;
    const { statusCode, body } = error;
    said[name] = { error: { kind: error.constructor.name, status: statusCode, body } };
  }
}

// After a lost connection its timer of 60 seconds goes on, and node would wait for that.
process.stdout.write(JSON.stringify(said), () => process.exit(0));
