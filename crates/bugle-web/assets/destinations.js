// On the pages of destinations: what would be sent, while one writes; the test and its answer; recovery step by step.
"use strict";

const PREVIEW_AFTER_MS = 300;
/** Deliveries of one step of a recovery: small enough to stop soon, and to share the database with the load. */
const RECOVER_STEP = 200;
const numbers = new Intl.NumberFormat("en");

async function api(method, path, body) {
  const headers = { "content-type": "application/json", "x-csrf-token": meta("csrf-token") };
  const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
  const result = await answer.json();
  if (!answer.ok) throw new Error(result.error.message);
  return result;
}

// ---- What would be sent.

let previewTimer;
let previewsAsked = 0;

function previewSoon() {
  clearTimeout(previewTimer);
  previewTimer = setTimeout(preview, PREVIEW_AFTER_MS);
}

async function preview() {
  const form = one("form[data-preview]");
  const place = one("#preview");
  const mine = ++previewsAsked;
  let told;
  try {
    const event = one("[name=event]", place).value;
    const body = { ...fieldsOf(form), ...(event && { event: JSON.parse(event) }), ...(form.dataset.preview && { id: form.dataset.preview }) };
    told = await api("POST", "/api/v1/destinations/preview", body);
  } catch (error) {
    told = { problem: error.message };
  }
  if (mine !== previewsAsked) return;
  const { request, problem } = told;
  const sentence = one("[data-problem]", place);
  sentence.hidden = !problem;
  sentence.textContent = problem ? `Nothing would be sent: ${problem}.` : "";
  one("[data-request]", place).hidden = !request;
  if (!request) return;
  one("[data-line]", place).textContent = `${request.method} ${request.url}`;
  one("[data-headers]", place).textContent = request.headers.map(([name, value]) => `${name}: ${value}`).join("\n");
  one("[data-body]", place).textContent = indented(request.body);
}

function indented(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function makeSecret(field) {
  const bytes = crypto.getRandomValues(new Uint8Array(32));
  field.value = `whsec_${btoa(String.fromCharCode(...bytes))}`;
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

// ---- The test.

function tested({ verdict, response, detail, duration_us: micros }) {
  const place = one("#tested");
  const took = micros >= 10_000 ? `${Math.round(micros / 1000)} ms` : `${(micros / 1000).toFixed(1)} ms`;
  const isGood = verdict.verdict === "delivered";
  const tag = one(".tag", place);
  tag.className = `tag ${isGood ? "good" : "bad"}`;
  tag.textContent = isGood ? "It works" : "It did not work";
  one("[data-told]", place).textContent = response
    ? `The receiver answered ${response.status} after ${took}.`
    : `No answer after ${took}${typeof verdict.reason === "string" ? ` (${verdict.reason.replaceAll("_", " ")})` : ""}.`;
  one("[data-detail]", place).textContent = detail ?? "";
  const body = one("[data-body]", place);
  body.hidden = !response?.body;
  body.textContent = indented(response?.body ?? "").slice(0, 2000);
  place.hidden = false;
  place.scrollIntoView({ block: "nearest" });
}

// ---- Recovery: counted first, done in steps, stopped by whoever looks at it.

const recovery = { count: 0, isRunning: false, since: undefined };

function recoverSince(form) {
  const { span, exact } = form.elements;
  exact.parentElement.hidden = span.value !== "exact";
  if (span.value === "all") return undefined;
  if (span.value !== "exact") return new Date(Date.now() - Number(span.value) * 1000).toISOString();
  return exact.value ? new Date(exact.value).toISOString() : null;
}

async function countDead(form) {
  if (recovery.isRunning) return;
  const start = one("[data-start]", form);
  const since = recoverSince(form);
  start.disabled = true;
  if (since === null) return say(form, "Choose since when.");
  try {
    const query = since ? `?since=${encodeURIComponent(since)}` : "";
    const { dead, more } = await api("GET", form.dataset.recover + query);
    Object.assign(recovery, { count: dead, since });
    start.disabled = dead === 0;
    const word = dead === 1 ? "delivery was" : "deliveries were";
    say(form, dead === 0 ? "Nothing was given up on in that time." : `${numbers.format(dead)}${more ? " or more" : ""} ${word} given up on.`);
  } catch (error) {
    say(form, error.message);
  }
}

async function recover(form) {
  const [start, stop, bar] = ["[data-start]", "[data-stop]", "progress"].map((name) => one(name, form));
  let rest = recovery.since ? { since: recovery.since } : {};
  let sent = 0;
  recovery.isRunning = true;
  [start.hidden, stop.hidden, bar.hidden] = [true, false, false];
  bar.max = recovery.count;
  try {
    while (recovery.isRunning && rest) {
      const step = await api("POST", form.dataset.recover, { ...rest, limit: RECOVER_STEP });
      sent += step.recovered;
      rest = step.rest;
      bar.value = sent;
      say(form, `${numbers.format(sent)} of ${numbers.format(Math.max(sent, recovery.count))} sent again…`);
    }
    say(form, rest ? `Stopped after ${numbers.format(sent)}.` : `Done: ${numbers.format(sent)} sent again.`);
  } catch (error) {
    say(form, `Stopped after ${numbers.format(sent)}: ${error.message}.`);
  }
  recovery.isRunning = false;
  [start.hidden, stop.hidden, bar.hidden, start.disabled] = [false, true, true, true];
  refreshAll();
}

function say(form, text) {
  one("output", form).textContent = text;
}

addEventListener("input", ({ target }) => target.closest("form[data-preview], #preview") && previewSoon());
addEventListener("change", ({ target }) => target.form?.matches("[data-recover]") && countDead(target.form));
addEventListener("answered", ({ target, detail }) => target.matches("[data-test]") && tested(detail));
addEventListener("click", ({ target }) => {
  if (target.closest("[data-make-secret]")) makeSecret(one("[name=secret]", target.closest("form")));
  if (target.closest("[data-stop]")) recovery.isRunning = false;
  if (target.closest("[data-count]")) countDead(one("form[data-recover]"));
});
addEventListener("submit", (event) => {
  if (!event.target.matches("[data-recover]")) return;
  event.preventDefault();
  recover(event.target);
});
if (one("form[data-preview]")) preview();
