// Several incidents are picked in the list by key and by mouse, and acknowledged with one click; a view is kept by its name.

import { ensure } from "../hub.mjs";
import { AT_ONCE_MS } from "../stage.mjs";

export const name = "several incidents are picked and acknowledged at once; a view is kept";

export async function run(stage) {
  const titles = ["The first bell rings", "The second bell rings"];
  for (const title of titles) await stage.incident("datadog", title);
  const { page } = await stage.visitor({ role: "operate" });
  await page.goto("/incidents?status=open&q=bell+rings");
  const rows = titles.map((title) => page.locator("tr", { hasText: title }));
  await rows[0].getByRole("checkbox").check();
  await page.getByRole("link", { name: titles[1] }).focus();
  await page.keyboard.press("x");
  await page.getByText("2 picked").waitFor();

  page.once("dialog", (dialog) => dialog.accept("Bells"));
  await page.getByRole("button", { name: "Keep this view" }).click();
  await page.getByRole("link", { name: "Bells" }).waitFor();

  await page.getByRole("button", { name: "Acknowledge" }).click();
  await page.getByText("No incident fits").waitFor({ timeout: AT_ONCE_MS });
  await page.goto("/incidents");
  await page.getByRole("link", { name: "Bells" }).click();
  await page.waitForURL(/q=bell\+rings/);
  for (const { title, status } of (await stage.hub.list("/incidents?q=bell+rings"))) {
    ensure(status === "acknowledged", `${title} is ${status}`);
  }
}
