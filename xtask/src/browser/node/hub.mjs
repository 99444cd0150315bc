// The hub under test as a program sees it: its API with the admin key, and the calls of senders.

import { readFile } from "node:fs/promises";
import { join } from "node:path";

/** How long anything may take that happens by itself, in milliseconds. */
export const WITHIN_MS = 20_000;

export class Hub {
  /** `url` is where it listens, `folder` holds its data and what it prints. */
  constructor(url, folder) {
    this.url = url;
    this.folder = folder;
  }

  /** Calls the API as the admin; any answer but 2xx is an error. */
  async call(method, path, body) {
    this.key ??= (await readFile(join(this.folder, "data", "admin.key"), "utf8")).trim();
    const answer = await fetch(`${this.url}/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${this.key}`, "content-type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path} answered ${answer.status}: ${text}`);
    return text === "" ? null : JSON.parse(text);
  }

  get(path) {
    return this.call("GET", path);
  }

  post(path, body = {}) {
    return this.call("POST", path, body);
  }

  /** Every item of a list, page by page. */
  async list(path) {
    const items = [];
    let cursor = "";
    do {
      const page = await this.get(`${path}${path.includes("?") ? "&" : "?"}limit=200${cursor}`);
      items.push(...page.data);
      cursor = page.next_cursor && `&cursor=${page.next_cursor}`;
    } while (cursor);
    return items;
  }

  /** Sends a call as a platform does; gives the status and the JSON of the answer. */
  async send(webhookUrl, { headers, body, query = "" }) {
    const answer = await fetch(webhookUrl + query, { method: "POST", headers, body });
    return { status: answer.status, answer: await answer.json() };
  }

  /** What the hub printed so far. */
  printed() {
    return readFile(join(this.folder, "bugle.log"), "utf8");
  }
}

/** Asks `question` until it answers something other than false, null or undefined. */
export async function until(what, question, withinMs = WITHIN_MS) {
  const end = Date.now() + withinMs;
  let problem;
  do {
    try {
      const answer = await question();
      if (answer) return answer;
      problem = undefined;
    } catch (error) {
      problem = error;
    }
    await new Promise((resume) => setTimeout(resume, 25));
  } while (Date.now() < end);
  throw new Error(`waited ${withinMs / 1000} s for ${what}, and it did not come`, { cause: problem });
}

/** Fails with `message` unless `condition` holds. */
export function ensure(condition, message) {
  if (!condition) throw new Error(message);
}
