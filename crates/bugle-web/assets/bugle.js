// What every page does in the browser. The guide to its attributes is at the top of crates/bugle-web/src/ui/mod.rs.
"use strict";

const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const one = (selector, within = document) => within.querySelector(selector);
const meta = (name) => one(`meta[name="${name}"]`)?.content;

// ---- Times: how long ago, and the exact moment in the viewer's zone on hover.

const SPANS = [[86_400, "d"], [3_600, "h"], [60, "min"], [1, "s"]];
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });

function tellTimes() {
  for (const time of all("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (isNaN(at)) continue;
    time.title = exact.format(at);
    const text = ago((Date.now() - at) / 1000);
    if (time.textContent !== text) time.textContent = text;
  }
}

function ago(seconds) {
  const span = Math.abs(seconds);
  const [size, unit] = SPANS.find(([size]) => span >= size) ?? [1, "s"];
  const words = `${Math.floor(span / size)} ${unit}`;
  if (seconds < -1) return `in ${words}`;
  return span < 10 ? "just now" : `${words} ago`;
}

// ---- Live: sections are fetched again when the stream tells of what they show.

const REFRESH_EVERY_MS = 500;
const due = new Set();
let refreshedAt = 0;
let refreshTimer;

function listen() {
  const address = meta("bugle-live");
  if (!address) return;
  if (!window.SharedWorker) return void import(address).then(({ follow }) => follow(heard));
  const { port } = new SharedWorker(address, { name: "bugle", type: "module" });
  const hello = () => port.postMessage({ since: performance.timeOrigin });
  port.onmessage = ({ data }) => heard(data);
  addEventListener("pagehide", () => port.postMessage({ bye: true }));
  addEventListener("pageshow", ({ persisted }) => persisted && (hello(), refreshAll()));
  hello();
}

function heard({ live, joined, name, ids }) {
  if (live) {
    document.documentElement.dataset.live = live;
    const says = { lost: "Not live: the hub does not answer. Trying again…", "signed-out": "You are signed out." };
    const line = one("#live");
    line.hidden = !says[live];
    line.textContent = says[live] ?? "";
    // Whoever joins a stream that is there is told what it missed; after a new beginning nobody knows.
    if (live === "on" && !joined) refreshAll();
    return;
  }
  if (name === "gap") return refreshAll();
  for (const section of all("[data-refresh]")) {
    const { refresh, refreshOf } = section.dataset;
    const isOfName = refresh.split(" ").some((word) => name === word || name.startsWith(`${word}.`));
    if (isOfName && (!refreshOf || ids.includes(refreshOf))) refreshSoon(section);
  }
}

function refreshAll() {
  all("[data-refresh]").forEach(refreshSoon);
}

function refreshSoon(section) {
  due.add(section.id);
  refreshTimer ??= setTimeout(refresh, Math.max(0, refreshedAt + REFRESH_EVERY_MS - Date.now()));
}

async function refresh() {
  refreshTimer = undefined;
  if (document.hidden || due.size === 0) return;
  refreshedAt = Date.now();
  const selectOOB = [...due].map((id) => `#${CSS.escape(id)}:outerMorph`).join(",");
  due.clear();
  await htmx.ajax("GET", location.pathname + location.search, { swap: "none", selectOOB });
  tellTimes();
}

// ---- Calls: a form or a button changes something by the API.

async function call(element) {
  const { call, body, confirm, done } = element.dataset;
  if (confirm && !(await ask(confirm))) return;
  const [method, path] = call.split(" ");
  const buttons = element.matches("form") ? all("button", element) : [element];
  all(".problem", element).forEach((problem) => problem.remove());
  all("[aria-invalid]", element).forEach((field) => field.removeAttribute("aria-invalid"));
  buttons.forEach((button) => (button.disabled = true));
  try {
    const sent = element.matches("form") ? fieldsOf(element) : JSON.parse(body ?? "{}");
    const headers = { "content-type": "application/json", "x-csrf-token": meta("csrf-token") };
    const answer = await fetch(path, { method, headers, body: method === "DELETE" ? undefined : JSON.stringify(sent) });
    const result = answer.status === 204 ? {} : await answer.json();
    if (!answer.ok) return refused(element, result.error);
    if (done) toast(filled(done, result));
    element.dispatchEvent(new CustomEvent("answered", { bubbles: true, detail: result }));
    then(element, result);
  } catch (error) {
    refused(element, { message: error instanceof SyntaxError ? error.message : "the hub does not answer: try again" });
  } finally {
    buttons.forEach((button) => (button.disabled = false));
  }
}

function fieldsOf(form) {
  const body = {};
  for (const field of form.elements) {
    const value = field.name && !field.disabled ? valueOf(field) : undefined;
    if (value === undefined) continue;
    const path = field.name.split(".");
    const last = path.pop();
    const place = path.reduce((object, name) => (object[name] ??= {}), body);
    place[last] = Array.isArray(value) && place[last] ? [...place[last], ...value] : value;
  }
  return body;
}

function valueOf(field) {
  const { as } = field.dataset;
  if (["checkbox", "radio"].includes(field.type) && !field.checked) return undefined;
  if (as === "null") return field.value.trim() || null;
  if ((field.value === "" && !("empty" in field.dataset)) || field.type === "submit") return undefined;
  if (as === "number") return Number(field.value);
  if (as === "list") return field.value.split(/[\n,]/).map((word) => word.trim()).filter(Boolean);
  if (as === "pairs") return pairsOf(field.value);
  if (as === "setting") return /^(true|false|[[{].*)$/s.test(field.value.trim()) ? JSON.parse(field.value) : field.value;
  if (as === "json") return JSON.parse(field.value);
  return field.value;
}

/** Lines such as `name: value`. */
function pairsOf(text) {
  const lines = text.split("\n").filter((line) => line.trim());
  return Object.fromEntries(lines.map((line) => {
    const at = line.indexOf(":");
    if (at < 1) throw new SyntaxError(`"${line}" is not a name and a value: write them as name: value`);
    return [line.slice(0, at).trim(), line.slice(at + 1).trim()];
  }));
}

function then(element, result) {
  const { then } = element.dataset;
  element.closest("dialog")?.close();
  if (element.matches("form")) element.reset();
  if (then?.startsWith("/")) return location.assign(filled(then, result, encodeURIComponent));
  if (then?.startsWith("#")) {
    const shown = one(then);
    for (const place of all("[data-answer]", shown)) {
      const value = place.dataset.answer.split(".").reduce((object, name) => object?.[name], result);
      const text = typeof value === "string" ? value : (JSON.stringify(value, null, 2) ?? "");
      if ("copy" in place.dataset) place.dataset.copy = text;
      (one("code", place) ?? place).textContent = text;
    }
    for (const link of all("[data-answer-href]", shown)) link.href = filled(link.dataset.answerHref, result, encodeURIComponent);
    for (const part of all("[data-if-answer]", shown)) part.hidden = result[part.dataset.ifAnswer] == null;
    if (shown.matches("dialog")) shown.showModal();
    else shown.hidden = false;
  }
  refreshAll();
}

/** `text` with each `{field}` of the answer in its place. */
function filled(text, result, write = String) {
  return text.replace(/\{(\w+)\}/g, (_, name) => write(result[name]));
}

function refused(element, { message, details }) {
  const text = `${message.charAt(0).toUpperCase()}${message.slice(1)}.`;
  const field = details?.field && element.matches("form") && element.elements.namedItem(details.field);
  if (!element.matches("form")) return toast(text, "bad");
  const problem = Object.assign(document.createElement("p"), { className: "problem", textContent: text });
  problem.setAttribute("role", "alert");
  if (field instanceof HTMLElement) {
    field.setAttribute("aria-invalid", "true");
    field.after(problem);
    field.focus();
  } else {
    const end = all("button", element).at(-1);
    (end.closest(".actions") ?? end).before(problem);
  }
}

function toast(text, tone = "good") {
  const shown = Object.assign(document.createElement("p"), { className: `toast ${tone}`, textContent: text });
  one("#toasts").append(shown);
  setTimeout(() => shown.remove(), 6_000);
}

function ask(question) {
  const dialog = one("#ask");
  one("p", dialog).textContent = question;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }));
}

// ---- Keys.

let prefix = "";
let prefixTimer;

function pressed(event) {
  const { key, target } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || one("dialog[open]")) return;
  if (key === "Escape") return target.blur?.(), all("details.menu[open]").forEach((menu) => (menu.open = false));
  if (target.closest?.("input, select, textarea")) return;
  const keys = prefix ? `${prefix} ${key}` : key;
  setPrefix("");
  const known = all("[data-key]");
  const found = known.find((element) => element.dataset.key === keys && !element.disabled);
  if (found) {
    event.preventDefault();
    if (found.matches("input, select, textarea")) return found.focus(), found.select?.();
    return found.click();
  }
  if (known.some((element) => element.dataset.key.startsWith(`${keys} `))) return setPrefix(keys);
  if (key === "j" || key === "k") move(key === "j" ? 1 : -1, event);
}

function setPrefix(keys) {
  prefix = keys;
  clearTimeout(prefixTimer);
  if (keys) prefixTimer = setTimeout(() => (prefix = ""), 1_500);
}

function move(step, event) {
  const rows = all("[data-keys] li, [data-keys] tbody tr");
  if (rows.length === 0) return;
  event.preventDefault();
  const at = rows.findIndex((row) => row.contains(document.activeElement));
  const next = rows[at < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.min(Math.max(at + step, 0), rows.length - 1)];
  one("a, button", next)?.focus();
}

function listKeys() {
  const words = all("[data-key]").map((one) => [one.dataset.key, one.getAttribute("aria-label") || one.title || one.textContent]);
  if (one("[data-keys]")) words.push(["j / k", "Next and previous row"], ["Enter", "Open the row"]);
  one("#keys dl").replaceChildren(
    ...words.flatMap(([keys, label]) => {
      const [term, meaning] = ["dt", "dd"].map((name) => document.createElement(name));
      term.append(...keys.split(" ").map((key) => Object.assign(document.createElement("kbd"), { textContent: key })));
      meaning.textContent = label.trim();
      return [term, meaning];
    }),
  );
}

// ---- Small things: copying, colours, dialogs, menus, forms that show what is chosen at once.

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without TLS there is no clipboard but this one.
    const field = Object.assign(document.createElement("textarea"), { value: text, className: "unseen" });
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  }
  toast("Copied.");
}

function switchTheme() {
  const { dataset } = document.documentElement;
  const isDark = dataset.theme ? dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  dataset.theme = isDark ? "light" : "dark";
  document.cookie = `bugle_theme=${dataset.theme}; path=/; max-age=31536000; samesite=lax`;
}

function clicked(event) {
  const hit = (selector) => event.target.closest?.(selector);
  for (const menu of all("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
  const copied = hit("[data-copy]");
  if (copied) copy(copied.dataset.copy);
  const before = hit("[data-copy-before]");
  if (before) copy(before.previousElementSibling.textContent);
  hit("[data-close]")?.closest("dialog").close();
  if (hit("[data-theme-switch]")) switchTheme();
  const opener = hit("[data-open]");
  if (opener) {
    if (opener.dataset.open === "#keys") listKeys();
    one(opener.dataset.open).showModal();
  }
  const button = hit("button[data-call], a[data-call]");
  if (button) {
    event.preventDefault();
    call(button);
  }
}

function submitted(event) {
  const form = event.target;
  if (form.dataset.call) {
    event.preventDefault();
    call(form);
  } else if (form.method === "get") {
    // What is not chosen does not belong into the address.
    const empty = [...form.elements].filter((field) => field.name && !field.value);
    empty.forEach((field) => (field.disabled = true));
    setTimeout(() => empty.forEach((field) => (field.disabled = false)));
  }
}

addEventListener("click", clicked);
addEventListener("submit", submitted);
addEventListener("keydown", pressed);
addEventListener("change", ({ target }) => target.form?.matches("[data-auto]") && target.form.requestSubmit());
addEventListener("visibilitychange", () => !document.hidden && (tellTimes(), refresh()));
setInterval(tellTimes, 15_000);
tellTimes();
listen();
