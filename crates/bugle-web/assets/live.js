// The stream of what happens, followed once for all tabs of a browser: over HTTP/1.1 it opens six connections to a hub, and
// tabs that took one each would leave none. A shared worker where there is one, else part of the page.

/** News that a tab may have missed while it was loading are kept this long, in milliseconds. */
const RECENT_MS = 10_000;
const RECENT_MAX = 200;
/** Waits between attempts to come back, in milliseconds. */
const WAIT_MS = 1_000;
const WAIT_MS_MAX = 15_000;

/** Follows the stream for ever and tells what is heard: `{live}` when that begins or ends, else `{name, ids, at}`. */
export async function follow(tell) {
  let last = "";
  for (let wait = WAIT_MS; ; wait = Math.min(wait * 2, WAIT_MS_MAX)) {
    let live = "lost";
    try {
      const answer = await fetch("/api/v1/stream", { headers: last ? { "last-event-id": last } : {}, cache: "no-store" });
      if (answer.status === 401) live = "signed-out";
      if (answer.status === 400) last = "";
      if (answer.ok) {
        tell({ live: "on" });
        wait = WAIT_MS;
        await readBlocks(answer.body, (block) => (last = told(block, tell) ?? last));
      }
    } catch {
      // It is not there; what follows says so.
    }
    tell({ live });
    await new Promise((resume) => setTimeout(resume, wait));
  }
}

/** Hands over each block of a stream of server-sent events. */
async function readBlocks(body, take) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (let text = ""; ; ) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    const blocks = text.split("\n\n");
    text = blocks.pop();
    blocks.forEach(take);
  }
}

/** Tells of what a block holds; gives the id to go on from, if it has one. */
function told(block, tell) {
  const fields = {};
  for (const line of block.split("\n")) {
    const [, name, value] = /^(\w+): ?(.*)$/.exec(line) ?? [];
    if (name) fields[name] = value;
  }
  if (fields.data) {
    const ids = [...new Set(fields.data.match(/\b(?:inc|int|dst|dlv|rcp)_[0-9a-z]{13}\b/g))];
    tell({ name: fields.event, ids, at: Date.now() });
  }
  return fields.id;
}

if (typeof SharedWorkerGlobalScope === "function" && self instanceof SharedWorkerGlobalScope) {
  const ports = new Set();
  let state = { live: "off" };
  let recent = [];
  self.onconnect = ({ ports: [port] }) => {
    port.onmessage = ({ data }) => {
      if (data.bye) return ports.delete(port);
      ports.add(port);
      port.postMessage({ ...state, joined: true });
      recent.filter(({ at }) => at >= data.since).forEach((news) => port.postMessage(news));
    };
  };
  follow((news) => {
    if (news.live) state = news;
    else recent = [...recent, news].filter(({ at }) => at > Date.now() - RECENT_MS).slice(-RECENT_MAX);
    for (const port of ports) port.postMessage(news);
  });
}
