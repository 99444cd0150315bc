// Whoever wants other colours than their system gets them, from the next page on without a flash of the wrong ones.

import { ensure } from "../hub.mjs";

export const name = "the chosen colours are kept";

export async function run(stage) {
  const { page } = await stage.visitor({ theme: "light" });
  await page.goto("/");
  const background = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  const before = await background();
  await page.getByLabel("Your account").click();
  await page.getByRole("button", { name: "Light or dark" }).click();
  const after = await background();
  ensure(before !== after, `the colours stay ${before}`);
  await page.goto("/incidents");
  ensure((await background()) === after, `the next page has ${await background()} again`);
  const answer = await page.request.get("/incidents");
  ensure((await answer.text()).includes('data-theme="dark"'), "the server does not know of it, so the wrong colours would flash");
}
