// The life of an incident in the hands of whoever operates: taken, put to work, declared, given a ticket and a word,
// resolved and reopened; each by a key, and each on the timeline with who did it.

import { ensure } from "../hub.mjs";

export const name = "an incident is worked on by keys alone, and the timeline tells it";

export async function run(stage) {
  const { id } = await stage.incident("grafana", "The anchor chain slips");
  const { page } = await stage.visitor({ role: "operate" });
  await page.goto(`/incidents/${id}`);
  const dialog = page.getByRole("dialog").filter({ visible: true });
  const done = (text) => page.locator("#toasts").getByText(text).first().waitFor();

  await page.keyboard.press("o");
  await done("It is yours");
  await page.keyboard.press("s");
  await dialog.getByText("In progress").first().click();
  await page.keyboard.press("Enter");
  await done("Status set");
  await page.keyboard.press("e");
  await dialog.getByText("SEV-2").click();
  await page.keyboard.press("Enter");
  await done("Declared");
  await page.keyboard.press("t");
  await dialog.getByLabel("Address").fill("https://jira.harbour.example/browse/OPS-7");
  await dialog.getByLabel("Key").fill("OPS-7");
  await page.keyboard.press("Enter");
  await done("Attached");
  await page.keyboard.press("c");
  await page.keyboard.type("A diver looks at it.");
  await page.getByRole("button", { name: /^Comment/ }).click();
  await done("Written down");
  await page.locator("main").getByText("A diver looks at it.").first().waitFor();
  await page.locator("h1").click();
  await page.keyboard.press("r");
  await dialog.getByText("Expected").first().click();
  await dialog.getByRole("button", { name: "Resolve" }).click();
  await done("Resolved");

  const incident = await stage.hub.get(`/incidents/${id}`);
  ensure(incident.status === "expected", `it is ${incident.status}`);
  ensure(incident.owner === "otto@harbour.example", `${incident.owner} has it`);
  ensure(incident.declared_severity === "SEV-2", `declared ${incident.declared_severity}`);
  ensure(incident.tickets[0]?.key === "OPS-7", `its tickets are ${JSON.stringify(incident.tickets)}`);
  const timeline = page.locator(".timeline");
  ensure((await timeline.getByText("otto@harbour.example").count()) >= 5, "the timeline does not say who did it");

  await page.getByRole("button", { name: "Reopen" }).waitFor();
  await page.keyboard.press("R");
  await dialog.getByRole("button", { name: "Yes" }).click();
  await done("Reopened");
  const reopened = await stage.hub.get(`/incidents/${id}`);
  ensure(reopened.status === "open", `it is ${reopened.status} after it was reopened`);
}
