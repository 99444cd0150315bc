// An admin adds a user by the form; by the link that is shown once they choose a password and are in. Their role is
// changed and they are disabled, which ends what they are signed in to. The audit log has it all, with who did it.

import { ensure } from "../hub.mjs";

export const name = "a user is added, comes in by the link, is disabled, and the audit log says who did so";

const PASSWORD = "a boat under the long bridge";

export async function run(stage) {
  const admin = await stage.visitor();
  const { page } = admin;
  await page.goto("/settings/users");
  await page.getByLabel("Name").fill("nora@example.net");
  await page.getByLabel("Role").selectOption("read");
  await page.getByRole("button", { name: "Add", exact: true }).click();
  const shown = page.getByRole("dialog");
  await shown.getByText("A link for nora@example.net").waitFor();
  const link = (await shown.locator("[data-answer=link] code").textContent()).trim();
  await stage.shoot(page, "user-link");
  await shown.getByRole("button", { name: "Done" }).click();
  const row = page.getByRole("row", { name: /nora@example\.net/ });
  await row.getByText("Has not chosen a password").waitFor();

  const { page: theirs, watched } = await stage.visitor({ role: null });
  await theirs.goto(link);
  await theirs.getByLabel("Password").fill(PASSWORD);
  await theirs.getByLabel("The same again").fill(PASSWORD);
  await theirs.getByRole("button", { name: "Sign in with it" }).click();
  await theirs.getByRole("heading", { level: 1, name: "Now" }).waitFor();

  await row.getByRole("link").click();
  // Their page may look for news after that, is told that they are out and leads to signing in by itself.
  watched.expected.add(401);
  await page.getByRole("button", { name: "Disable" }).click();
  await page.getByRole("button", { name: "Yes" }).click();
  await page.getByText("Disabled", { exact: true }).waitFor();
  await page.getByRole("button", { name: "Enable" }).waitFor();
  const later = await theirs.context().newPage();
  await later.goto("/");
  await later.waitForURL(/\/sign-in/);

  await page.goto("/settings/audit?about=user");
  const entry = page.getByRole("row").filter({ hasText: "Changed the user" }).filter({ hasText: "nora@example.net" }).first();
  await entry.getByText("disabled").waitFor();
  const log = await stage.hub.list("/audit?about=user");
  ensure(!JSON.stringify(log).includes("link="), "the audit log holds a link");
}
