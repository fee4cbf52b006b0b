// Runs a Worker's module under node: argv is the module and a file of {env, requests}, stdout what came of it.
import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";

const [module, given] = process.argv.slice(2);
const { env: variables, requests } = JSON.parse(await readFile(given, "utf-8"));
const { default: worker } = await import(pathToFileURL(module).href);

const messages = [];
const env = {
  ...variables,
  // A queue keeps what can be cloned, and nothing else.
  EVENTS: { send: async (body) => void messages.push({ body: structuredClone(body) }) },
};
const answers = [];
for (const { method, headers, body } of requests) {
  const request = new Request("https://worker.example/hooks", {
    method,
    headers,
    body: method === "GET" ? undefined : Buffer.from(body, "base64"),
  });
  try {
    const answer = await worker.fetch(request, env);
    answers.push(answer.status);
  } catch (error) {
    answers.push(`${error}`);
  }
}
const outcomes = [];
for (const message of messages) {
  message.ack = () => outcomes.push("ack");
  message.retry = () => outcomes.push("retry");
}
await worker.queue({ queue: "callboard-events", messages }, env);
console.log(JSON.stringify({ answers, outcomes }));
