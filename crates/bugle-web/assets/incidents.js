// The incident list: picked rows, what is done with them one by one, and views that are kept by name in this browser.
"use strict";

// ---- Picked rows. The list is fetched again while it is looked at, so what is picked is known by id.

const picked = new Set();
const rowsOf = () => all("tr[data-incident]");

function showPicked() {
  for (const row of rowsOf()) {
    const isPicked = picked.has(row.dataset.incident);
    row.classList.toggle("picked", isPicked);
    const box = one("[data-pick]", row);
    if (box && box.checked !== isPicked) box.checked = isPicked;
  }
  const shown = rowsOf().map((row) => row.dataset.incident);
  const every = one("[data-pick-all]");
  if (every) every.checked = shown.length > 0 && shown.every((id) => picked.has(id));
  const bulk = one("#bulk");
  if (!bulk) return;
  bulk.hidden = picked.size === 0;
  if (!working) one("b", bulk).textContent = `${picked.size} picked`;
}

function pick(id, isPicked) {
  if (isPicked) picked.add(id);
  else picked.delete(id);
  showPicked();
}

addEventListener("change", ({ target }) => {
  if (target.matches("[data-pick-all]")) rowsOf().forEach((row) => pick(row.dataset.incident, target.checked));
  if (target.matches("[data-pick]")) pick(target.closest("tr").dataset.incident, target.checked);
});
addEventListener("keydown", (event) => {
  const { key, target } = event;
  if (key !== "x" || event.ctrlKey || event.metaKey || event.altKey || one("dialog[open]")) return;
  const row = target.closest?.("tr[data-incident]");
  if (!row || !one("[data-pick]", row)) return;
  pick(row.dataset.incident, !picked.has(row.dataset.incident));
});
new MutationObserver(showPicked).observe(one("#list"), { childList: true, subtree: true });

// ---- Many at once: one call for each, so that one that is refused does not hold up the others.

let working = false;

const CALLS = {
  acknowledge: () => ["acknowledge", {}],
  owner: (button) => ["owner", { owner: button.dataset.owner }],
  resolve: (button) => ["resolve", { resolution: one("#bulk select").value }],
};

async function doAll(button) {
  const [action, body] = CALLS[button.dataset.bulk](button);
  const ids = [...picked];
  if (action === "resolve" && !(await ask(`Resolve ${ids.length === 1 ? "one incident" : `${ids.length} incidents`}?`))) return;
  const buttons = all("#bulk button");
  working = true;
  buttons.forEach((one) => (one.disabled = true));
  const refused = [];
  for (const [done, id] of ids.entries()) {
    one("#bulk b").textContent = `${done} of ${ids.length} done`;
    const problem = await change(`/api/v1/incidents/${id}/${action}`, body);
    if (problem) refused.push(problem);
    else pick(id, false);
  }
  working = false;
  buttons.forEach((one) => (one.disabled = false));
  showPicked();
  if (refused.length === 0) toast("Done.");
  else toast(`${refused.length} of ${ids.length} were refused: ${refused[0]}.`, "bad");
  refreshAll();
}

async function change(path, body) {
  const headers = { "content-type": "application/json", "x-csrf-token": meta("csrf-token") };
  try {
    const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
    return answer.ok ? undefined : (await answer.json()).error.message;
  } catch {
    return "the hub does not answer";
  }
}

addEventListener("click", ({ target }) => {
  const button = target.closest?.("[data-bulk]");
  if (!button) return;
  if (button.dataset.bulk !== "none") return void doAll(button);
  picked.clear();
  showPicked();
});

// ---- Views: an address each; their names are this browser's.

const VIEWS = "bugle-views";
const views = () => JSON.parse(localStorage.getItem(VIEWS) ?? "[]").filter(({ name, search }) => name && search?.startsWith("?"));
const here = () => {
  const search = new URLSearchParams(location.search);
  search.delete("cursor");
  return `?${search}`;
};

function keepViews(kept) {
  localStorage.setItem(VIEWS, JSON.stringify(kept));
  showViews();
}

function showViews() {
  const place = one("#views");
  all("[data-view]", place).forEach((shown) => shown.remove());
  const kept = views();
  for (const { name, search } of kept) {
    const link = Object.assign(document.createElement("a"), { textContent: name, href: `/incidents${search}` });
    link.dataset.view = search;
    if (search === here()) link.setAttribute("aria-current", "page");
    place.append(link);
  }
  const keep = one("[data-keep-view]");
  if (!keep) return;
  keep.hidden = false;
  keep.textContent = kept.some(({ search }) => search === here()) ? "Forget this view" : "Keep this view";
}

one("[data-keep-view]")?.addEventListener("click", () => {
  const others = views().filter(({ search }) => search !== here());
  if (others.length < views().length) return keepViews(others);
  const name = prompt("What is this view called?")?.trim().slice(0, 40);
  if (name) keepViews([...others, { name, search: here() }]);
});
showViews();
showPicked();
