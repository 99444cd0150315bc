// Whoever looks at the home page or the list sees a new incident without doing anything, and sees it end.

import { ensure } from "../hub.mjs";
import { alertOf } from "../seed.mjs";
import { AT_ONCE_MS } from "../stage.mjs";

export const name = "a new incident shows by itself, on Now and in the list";

export async function run(stage) {
  const now = await stage.visitor();
  const list = await stage.visitor({ role: "read" });
  await now.page.goto("/");
  await list.page.goto("/incidents");
  const title = "The lighthouse is dark";
  const windows = [now.page, list.page].map((page) => page.getByText(title).first());
  for (const shown of windows) ensure((await shown.count()) === 0, "it shows before it happened");
  await stage.incident("datadog", title);
  await Promise.all(windows.map((shown) => shown.waitFor({ timeout: AT_ONCE_MS })));

  await stage.fire(alertOf("datadog", [title, "It shines again.", "critical", "test", "test-1"]), "resolved");
  await windows[0].waitFor({ state: "detached", timeout: AT_ONCE_MS });
}
