// An incident is acknowledged with one key, and somebody who looks at it in another browser sees that at once.

import { ensure } from "../hub.mjs";
import { AT_ONCE_MS } from "../stage.mjs";

export const name = "an incident is acknowledged with the keyboard, and a second browser sees it at once";

export async function run(stage) {
  const { id } = await stage.incident("prometheus", "The harbour crane is stuck");
  const mine = await stage.visitor({ role: "operate" });
  const theirs = await stage.visitor({ role: "read", browser: await stage.anotherBrowser() });
  await theirs.page.goto(`/incidents/${id}`);
  await mine.page.goto(`/incidents/${id}`);
  const seen = theirs.page.locator("main").getByText(/^acknowledged$/i).first();
  ensure((await seen.count()) === 0, "it is acknowledged before anybody did so");

  await mine.page.keyboard.press("a");
  await Promise.all([
    seen.waitFor({ timeout: AT_ONCE_MS }),
    mine.page.locator("main").getByText(/^acknowledged$/i).first().waitFor({ timeout: AT_ONCE_MS }),
  ]);
  const incident = await stage.hub.get(`/incidents/${id}`);
  ensure(incident.status === "acknowledged", `the API says ${incident.status}`);
  ensure(JSON.stringify(incident.acknowledged_by).includes("otto"), `acknowledged by ${JSON.stringify(incident.acknowledged_by)}`);
}
