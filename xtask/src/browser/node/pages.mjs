// Every page: how it looks in light, dark, on a phone and on a wide screen, whether everybody can use it, what it weighs
// and how soon it shows. One scenario for each page.

import { violations } from "./accessibility.mjs";
import { ensure } from "./hub.mjs";
import { SIZES } from "./stage.mjs";

/** How each page is looked at, and whether it is judged: colours and layout are what findings depend on. */
const LOOKS = [
  { look: "light", theme: "light", size: SIZES.desktop, judged: true },
  { look: "dark", theme: "dark", size: SIZES.desktop, judged: true },
  { look: "phone", theme: "light", size: SIZES.phone, judged: true },
  { look: "4k", theme: "light", size: SIZES.wide },
];
/** Longest a page may take in the server, and until the browser paints, in milliseconds: the best of some tries. */
const SERVER_MS_MAX = 100;
const PAINT_MS_MAX = 250;
/** Painted sooner than this, it is not tried again. */
const PAINT_MS_GOAL = 100;
const TRIES = 6;
/** A frame is told of after it was shown, so that the figure is waited for. */
const PAINT_WAIT_MS = 5000;
/** Longest until a page that is loaded is told of changes, in milliseconds. */
const LIVE_MS_MAX = 3000;
/** Most bytes of a page with its scripts and styles, when a browser comes for the first time. */
const COLD_BYTES_MAX = 200 * 1024;

/** The pages by name, with the path of each and who looks at it. */
const PAGES = [
  { title: "sign-in", path: () => "/sign-in", role: null },
  { title: "now", path: () => "/" },
  { title: "incidents", path: () => "/incidents" },
  { title: "incidents found", path: () => "/incidents?status=acknowledged&q=ledger" },
  { title: "incidents not found", path: () => "/incidents?q=nothing-is-called-this" },
  { title: "incident", path: async ({ hub }) => `/incidents/${(await busiest(hub)).id}` },
  { title: "incident with many alerts", path: async ({ hub }) => `/incidents/${(await hub.list("/incidents?q=build"))[0].id}` },
  { title: "incident with correlations", path: async ({ hub }) => `/incidents/${(await hub.list("/incidents?platform=anomify"))[0].id}` },
  { title: "sources", path: () => "/sources" },
  { title: "source", path: ({ integrations }) => `/sources/${integrations.datadog.id}` },
  { title: "source that was never heard", path: ({ integrations }) => `/sources/${integrations.silent.id}` },
  { title: "platforms", path: () => "/sources/new" },
  { title: "a new source", path: () => "/sources/new?platform=datadog" },
  { title: "calls", path: () => "/receipts" },
  { title: "call", path: ({ hub }) => callIn(hub, "processed") },
  { title: "call that was refused", path: ({ hub }) => callIn(hub, "rejected") },
  { title: "quarantine", path: ({ integrations }) => `/quarantine?integration_id=${integrations.datadog.id}` },
  { title: "destinations", path: () => "/destinations" },
  { title: "destination", path: ({ destinations }) => `/destinations/${destinations.well.id}` },
  { title: "destination with an open circuit", path: ({ destinations }) => `/destinations/${destinations.down.id}` },
  { title: "dialects", path: () => "/destinations/new" },
  { title: "a new destination", path: () => "/destinations/new?dialect=standard-webhooks" },
  { title: "a destination is changed", path: ({ destinations }) => `/destinations/${destinations.other.id}/edit` },
  { title: "delivery", path: async ({ hub, destinations }) => `/deliveries/${(await failedDelivery(hub, destinations.picky)).id}` },
  { title: "routing", path: () => "/routing" },
  { title: "routing of an incident", path: async ({ hub }) => `/routing?incident=${(await busiest(hub)).id}` },
  { title: "settings", path: () => "/settings" },
  { title: "users", path: () => "/settings/users" },
  { title: "user", path: anotherUser },
  { title: "api keys", path: () => "/settings/api-keys" },
  { title: "audit log", path: () => "/settings/audit" },
  { title: "account", path: () => "/account" },
  { title: "not allowed", path: () => "/settings/users", role: "read", status: 403 },
  { title: "not found", path: () => "/no-such-page", status: 404 },
];

/** One scenario for each page. */
export function pageScenarios() {
  return PAGES.map((page) => ({ name: `page: ${page.title}`, run: (stage) => look(stage, page) }));
}

async function look(stage, { title, path, role, status = 200 }) {
  const target = await path(stage);
  const problems = [];
  // One after the other: a browser that takes screenshots of several windows at once may stop answering.
  for (const { look, theme, size, judged } of LOOKS) {
    const { page, context, watched } = await stage.visitor({ role, theme, size });
    watched.expected.add(status);
    const answer = await page.goto(target);
    ensure(answer.status() === status, `${target} answered ${answer.status()}`);
    await settled(page);
    const found = judged ? await violations(page) : [];
    // A phone makes its window as wide as what is in it, so the screen is what counts.
    const beyond = (await page.evaluate(() => document.scrollingElement.scrollWidth)) - size.viewport.width;
    if (beyond > 0) found.push(`${beyond} px wider than the screen`);
    found.push(...(await cut(page)));
    await stage.shoot(page, `${title}-${look}`);
    problems.push(...found.map((problem) => `${look}: ${problem}`));
    if (look === "light") problems.push(...(await manners(page)), ...(await speed(page, target)));
    if (found.length === 0) await context.close();
  }
  ensure(problems.length === 0, problems.join("\n"));
}

/** Waits until fonts are there and what they changed is painted. The page's live stream never ends, so no idle network. */
async function settled(page) {
  await page.evaluate(async () => {
    await document.fonts.ready;
    for (let frame = 0; frame < 2; frame += 1) await new Promise(requestAnimationFrame);
  });
}

/** What is wider than its frame and cannot be seen whole. Code and tabs may be, as they scroll, and text that ends in dots. */
function cut(page) {
  return page.evaluate(() => {
    const problems = [];
    for (const element of document.querySelectorAll("main, main *")) {
      const { overflowX, textOverflow } = getComputedStyle(element);
      const beyond = element.scrollWidth - element.clientWidth;
      const isFrame = overflowX !== "visible" && element.clientWidth > 2 && beyond > 1;
      if (!isFrame || textOverflow === "ellipsis" || element.matches("pre, nav, input, textarea, select")) continue;
      const name = [element.localName, element.id && `#${element.id}`, ...[...element.classList].map((one) => `.${one}`)].join("");
      problems.push(`${name} cuts off ${beyond} px of what is in it`);
    }
    return problems;
  });
}

/** What every page owes: a title and a heading, exact times behind relative ones, and the same as JSON. */
async function manners(page) {
  const problems = [];
  if ((await page.locator("h1").count()) !== 1) problems.push("not exactly one h1");
  if ((await page.locator("main").count()) !== 1) problems.push("not exactly one main");
  if ((await page.locator("html[data-live]").count()) > 0) {
    const live = page.locator('html[data-live="on"]').waitFor({ state: "attached", timeout: LIVE_MS_MAX });
    await live.catch(() => problems.push(`not live after ${LIVE_MS_MAX} ms`));
  }
  const vague = await page.locator("time:not([datetime]), time:not([title])").count();
  if (vague > 0) problems.push(`${vague} times without datetime or title`);
  const twin = page.locator('link[rel="alternate"][type="application/json"]');
  if ((await twin.count()) > 0) {
    const answer = await page.request.get(await twin.getAttribute("href"));
    if (!answer.ok()) problems.push(`the JSON twin ${answer.url()} answered ${answer.status()}`);
  }
  return problems;
}

/** What the page and all that it needs weigh when a browser comes for the first time, in bytes on the wire. */
function weight(page) {
  return page.evaluate(() => {
    const loads = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
    return loads.reduce((sum, { encodedBodySize }) => sum + encodedBodySize, 0);
  });
}

/** Loads the page again, more often where it is slow, and says what is too slow in the best of the tries. */
async function speed(page, target) {
  const cold = await weight(page);
  const best = { server: Infinity, paint: Infinity };
  for (let index = 0; index < TRIES && best.paint > PAINT_MS_GOAL; index += 1) {
    await page.goto(target);
    await settled(page);
    const server = await page.evaluate(() => {
      const [load] = performance.getEntriesByType("navigation");
      return load.responseEnd - load.requestStart;
    });
    const paint = await painted(page);
    best.server = Math.min(best.server, server);
    best.paint = Math.min(best.paint, paint);
  }
  const [server, paint, kib] = [best.server.toFixed(0), best.paint.toFixed(0), (cold / 1024).toFixed(0)];
  console.log(`     ${target}: ${server} ms in the server, painted after ${paint} ms, ${kib} KiB with all it needs`);
  const problems = [];
  if (best.server > SERVER_MS_MAX) problems.push(`${server} ms in the server, more than ${SERVER_MS_MAX}`);
  if (best.paint > PAINT_MS_MAX) problems.push(`painted after ${paint} ms, more than ${PAINT_MS_MAX}`);
  if (cold > COLD_BYTES_MAX) problems.push(`${cold} bytes with all it needs, more than ${COLD_BYTES_MAX}`);
  return problems;
}

/** When something was first painted, in milliseconds after the navigation began. */
function painted(page) {
  return page.evaluate(
    (limit) =>
      new Promise((resolve) => {
        const observer = new PerformanceObserver((list) => {
          const [first] = list.getEntriesByName("first-contentful-paint");
          if (first) resolve(first.startTime);
        });
        observer.observe({ type: "paint", buffered: true });
        setTimeout(() => resolve(Infinity), limit);
      }),
    PAINT_WAIT_MS,
  );
}

/** An incident that people did something about. */
async function busiest(hub) {
  const [incident] = await hub.list("/incidents?status=work_in_progress");
  ensure(incident, "no incident is in progress");
  return incident;
}

/** Somebody else than who looks, so that there is something to change. */
async function anotherUser(stage) {
  await stage.session("operate");
  const users = await stage.hub.list("/users");
  return `/settings/users/${users.find(({ role }) => role === "operate").id}`;
}

/** The newest call in this state. */
async function callIn(hub, state) {
  const { data } = await hub.get(`/receipts?state=${state}&limit=1`);
  ensure(data[0], `no call is ${state}`);
  return `/receipts/${data[0].id}`;
}

async function failedDelivery(hub, destination) {
  const deliveries = await hub.list(`/deliveries?destination_id=${destination.id}`);
  const delivery = deliveries.find(({ state }) => state !== "delivered" && state !== "pending") ?? deliveries[0];
  ensure(delivery, "there is no delivery");
  return delivery;
}
