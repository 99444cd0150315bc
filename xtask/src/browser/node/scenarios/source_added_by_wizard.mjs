// Datadog is added by the wizard. Its first call has another secret and is explained; once that is mended, the call is
// verified again, and its page turns green by itself, as it does for a call that was right at once.

import { ensure, until } from "../hub.mjs";
import { alertOf } from "../seed.mjs";
import { SENDERS } from "../senders.mjs";
import { AT_ONCE_MS } from "../stage.mjs";

export const name = "Datadog is added by the wizard, a wrong signature is explained, and it turns green";

export async function run(stage) {
  const { page } = await stage.visitor();
  await page.goto("/sources");
  await page.keyboard.press("n");
  await page.getByRole("link", { name: /^Datadog/ }).click();
  await page.getByLabel("Name").fill("Datadog, new quay");
  const secret = await page.getByLabel("Secret").inputValue();
  ensure(secret.startsWith("whsec_"), `the secret that was made is ${secret}`);
  await page.getByRole("button", { name: "Make it" }).click();

  const made = page.getByRole("dialog");
  await made.getByText(secret).waitFor();
  const url = (await made.locator("[data-answer=webhook_url] code").textContent()).trim();
  await stage.shoot(page, "wizard-made");
  await made.getByRole("link", { name: /steps/ }).click();
  await page.waitForURL(/\/sources\/int_/);
  await page.getByText("Waiting for the first call").waitFor();
  await page.getByText("Custom Headers").waitFor();
  await until("the page to be live", async () => (await page.locator('html[data-live="on"]').count()) > 0);
  ensure(!(await page.content()).includes(secret), "the secret is shown again");

  const title = "A crane of the new quay stopped";
  const send = (url, title, secret) => {
    const alert = alertOf("datadog", [title, title, "high", "quay", "crane-4"]);
    return stage.hub.send(url, SENDERS.datadog(alert, "firing", secret));
  };
  await send(url, title, "another secret");
  await page.getByText("The last call was refused").waitFor({ timeout: AT_ONCE_MS });
  await stage.shoot(page, "source-refused");

  const added = page.getByLabel("A new secret");
  await added.fill("another secret");
  await page.getByRole("button", { name: "Add it" }).click();
  await page.getByRole("button", { name: "I have it" }).click();
  await page.getByRole("button", { name: "Verify it again" }).click();
  await page.getByText("It works").waitFor({ timeout: AT_ONCE_MS });
  await until(`the incident "${title}"`, async () => (await stage.hub.list("/incidents")).some((incident) => incident.title === title));

  const other = await stage.hub.post("/integrations", { platform: "datadog", name: "Datadog, old quay", secret });
  await page.goto(`/sources/${other.id}`);
  await page.getByText("Waiting for the first call").waitFor();
  await until("the page to be live", async () => (await page.locator('html[data-live="on"]').count()) > 0);
  await send(other.webhook_url, "A crane of the old quay stopped", secret);
  await page.getByText("It works").waitFor({ timeout: AT_ONCE_MS });
}
