// What scenarios share: the hub, who visits it with which browser, and what is left behind when something fails.

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { chromium } from "playwright-core";

import { Hub, WITHIN_MS, ensure, until } from "./hub.mjs";
import { alertOf } from "./seed.mjs";
import { watch } from "./watch.mjs";

/** Longest a scenario may take, in milliseconds. */
const SCENARIO_MS_MAX = 90_000;
/** Chromium as it runs on a machine without a screen, and without calls of its own. */
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--font-render-hinting=none",
];
/** The longest screenshot, in CSS pixels. */
const SHOT_HEIGHT_MAX = 2400;
/** Longest until a change is seen by everybody who looks at it, in milliseconds. */
export const AT_ONCE_MS = 1000;
/** What people look at pages with. */
export const SIZES = {
  desktop: { viewport: { width: 1280, height: 800 } },
  phone: { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true },
  wide: { viewport: { width: 3840, height: 2160 } },
};
/** One person for each role, with the password of all. */
export const PEOPLE = { admin: "ada@harbour.example", operate: "otto@harbour.example", read: "rita@harbour.example" };
export const PASSWORD = "correct horse battery staple";

export class Stage {
  /** Starts the browser `chromium` before the hub at `url`. `out` is the folder for what is kept. */
  static async open({ url, folder, chromium: executablePath, out }) {
    const stage = new Stage();
    Object.assign(stage, { hub: new Hub(url, folder), executablePath, out, visitors: [], browsers: [], sessions: {} });
    stage.browser = await stage.launch();
    return stage;
  }

  launch() {
    return chromium.launch({ executablePath: this.executablePath, headless: true, args: FLAGS });
  }

  /** Another browser, as on another machine; it ends with the scenario. */
  async anotherBrowser() {
    const browser = await this.launch();
    this.browsers.push(browser);
    return browser;
  }

  /**
   * Somebody with a browser window. Signed in as the person with `role`, or not where it is null.
   * `browser` is the stage's own unless given; `theme` is light or dark.
   */
  async visitor({ role = "admin", theme = "light", size = SIZES.desktop, browser = this.browser, timezoneId = "Europe/Berlin" } = {}) {
    const storageState = role === null ? undefined : await this.session(role);
    const context = await browser.newContext({
      baseURL: this.hub.url,
      storageState,
      colorScheme: theme,
      reducedMotion: "reduce",
      locale: "en-GB",
      timezoneId,
      ...size,
    });
    context.setDefaultTimeout(WITHIN_MS);
    const watched = await watch(context);
    const visitor = { context, watched, page: await context.newPage() };
    this.visitors.push(visitor);
    return visitor;
  }

  /** The cookies of whoever has `role`, who signs in once, by the form. */
  session(role) {
    this.sessions[role] ??= this.signIn(role).catch((error) => {
      delete this.sessions[role];
      throw error;
    });
    return this.sessions[role];
  }

  async signIn(role) {
    const name = PEOPLE[role];
    const known = await this.hub.list("/users");
    if (!known.some((user) => user.name === name)) await this.hub.post("/users", { name, role, password: PASSWORD });
    const { context, page } = await this.visitor({ role: null });
    await page.goto("/");
    await fillSignIn(page, name, PASSWORD);
    return context.storageState();
  }

  /** Makes something new go wrong, seen by `platform`; gives the incident. */
  async incident(platform, title, severity = "critical") {
    await this.fire(alertOf(platform, [title, title, severity, "test", "test-1"]));
    return until(`the incident "${title}"`, async () => (await this.hub.list("/incidents")).find((incident) => incident.title === title));
  }

  /** Runs one scenario, prints how it went, and gives whether it held. */
  async perform({ name, run }) {
    const started = performance.now();
    let problem;
    try {
      await withinLimit(run(this));
      await Promise.all(this.visitors.flatMap(({ watched }) => [...watched.pending]));
      const problems = this.visitors.flatMap(({ watched }) => watched.problems);
      ensure(problems.length === 0, problems.join("\n"));
    } catch (error) {
      problem = error;
      await this.keep(name, error);
    }
    for (const { context } of this.visitors.splice(0)) await context.close().catch(() => {});
    for (const browser of this.browsers.splice(0)) await browser.close().catch(() => {});
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    console.log(`${problem ? "FAIL" : "ok  "} ${name} (${seconds} s)`);
    if (problem) console.log(`     ${told(problem).replaceAll("\n", "\n     ")}`);
    return !problem;
  }

  /** A screenshot of the whole page up to some length, in a window that is so high: what is fixed stays at its edges. */
  async shoot(page, name) {
    const folder = join(this.out, "screens");
    await mkdir(folder, { recursive: true });
    const { width, height } = page.viewportSize();
    const needed = await page.evaluate(() => document.scrollingElement.scrollHeight);
    await page.setViewportSize({ width, height: Math.min(Math.max(height, needed), SHOT_HEIGHT_MAX) });
    await page.screenshot({ path: join(folder, `${fileName(name)}.png`), ...AS_IT_IS });
    await page.setViewportSize({ width, height });
  }

  /** Leaves behind what every window of a failed scenario showed. */
  async keep(name, error) {
    const folder = join(this.out, "failures", fileName(name));
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, "error.txt"), `${told(error)}\n`);
    for (const [index, { page, watched }] of this.visitors.entries()) {
      const file = (ending) => join(folder, `window-${index + 1}${ending}`);
      await page.screenshot({ path: file(".png"), ...AS_IT_IS, timeout: 5000 }).catch(() => {});
      await writeFile(file(".html"), `<!-- ${page.url()} -->\n${await page.content().catch(String)}`);
      await writeFile(file(".txt"), [...watched.console, ...watched.problems].join("\n"));
    }
  }

  async close() {
    await this.browser.close();
  }
}

/** A screenshot for which nothing is put into the page: its Content-Security-Policy would refuse that. */
export const AS_IT_IS = { caret: "initial", animations: "allow" };

/** Signs in by the form that `page` shows, and waits for the page behind it. */
export async function fillSignIn(page, name, password) {
  await page.getByLabel("Name", { exact: false }).fill(name);
  await page.getByLabel("Password", { exact: false }).first().fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL((url) => !url.pathname.startsWith("/sign-in"));
}

/** `name` as a file is named. */
export function fileName(name) {
  return name.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-").replaceAll(/^-|-$/g, "") || "now";
}

/** An error with its causes. */
function told(error) {
  const lines = [error.message ?? String(error)];
  for (let cause = error.cause; cause; cause = cause.cause) lines.push(`because: ${cause.message ?? cause}`);
  const where = error.stack?.split("\n").find((line) => line.includes("/scenarios/"));
  if (where) lines.push(where.trim());
  // Playwright colours what it says.
  return stripVTControlCharacters(lines.join("\n"));
}

async function withinLimit(run) {
  let timer;
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not over after ${SCENARIO_MS_MAX / 1000} s`)), SCENARIO_MS_MAX);
  });
  await Promise.race([run, limit]).finally(() => clearTimeout(timer));
}
