// Whoever starts a hub for the first time finds a link in what it prints, makes the first admin with it, and is in.

import { ensure, until } from "./hub.mjs";
import { PASSWORD, PEOPLE } from "./stage.mjs";

export const name = "first sign-in: the printed link makes the first admin, once";

export async function run(stage) {
  const link = await until("the link to be printed", async () => linkIn(await stage.hub.printed()));
  const { page } = await stage.visitor({ role: null });
  await page.goto("/");
  ensure(new URL(page.url()).pathname.startsWith("/sign-in"), `a stranger was shown ${page.url()}`);
  await stage.shoot(page, "first-run");

  await page.goto(link);
  await stage.shoot(page, "welcome");
  await page.getByLabel("Name").fill(PEOPLE.admin);
  for (const field of await page.locator("input[type=password]").all()) await field.fill(PASSWORD);
  await page.locator("main button[type=submit]").click();
  await page.waitForURL((url) => url.pathname === "/");
  await page.getByRole("heading", { level: 1 }).waitFor();
  await stage.shoot(page, "now-empty");

  const { page: late, watched } = await stage.visitor({ role: null });
  for (const status of [401, 403, 404, 410]) watched.expected.add(status);
  await late.goto(link);
  ensure((await late.locator("input[type=password]").count()) < 2, "the link makes a second admin");
}

/** The newest link in `printed` that is not the hub's bare address. */
function linkIn(printed) {
  return printed.match(/https?:\/\/[^\s"']+\/[^\s"'/]+[^\s"'.,]/g)?.findLast((link) => !link.includes("/api/"));
}
