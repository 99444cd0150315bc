// Without a pointer: from page to page, to the search, through the list, into an incident, and to what keys there are.

import { ensure } from "../hub.mjs";

export const name = "keys lead everywhere, and are shown by ?";

export async function run(stage) {
  const { page } = await stage.visitor();
  const press = (...keys) => keys.reduce((before, key) => before.then(() => page.keyboard.press(key)), Promise.resolve());
  await page.goto("/");
  await press("g", "i");
  await page.waitForURL("**/incidents");

  await press("?");
  const shown = page.getByRole("dialog");
  await shown.waitFor();
  for (const key of ["g", "i", "/", "j"]) ensure((await shown.locator("kbd", { hasText: key }).count()) > 0, `? does not tell of ${key}`);
  await press("Escape");
  await shown.waitFor({ state: "hidden" });

  await press("/");
  await page.keyboard.type("ledger");
  await press("Enter");
  await page.waitForURL(/q=ledger/);
  await page.locator("main").click({ position: { x: 1, y: 1 } });
  await press("j", "j", "k");
  const chosen = await page.evaluate(() => document.activeElement.getAttribute("href"));
  ensure(chosen?.startsWith("/incidents/inc_"), `j and k do not move in the list: ${chosen} has the focus`);
  await press("Enter");
  await page.waitForURL(`**${chosen}`);
  await press("g", "n");
  await page.waitForURL((url) => url.pathname === "/");
}
