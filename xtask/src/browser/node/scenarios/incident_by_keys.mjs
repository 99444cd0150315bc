// Somebody on call handles an incident with nothing but the keyboard, and the timeline tells it.

import { ensure, until } from "../hub.mjs";

export const name = "an incident is taken, declared, ticketed, commented, resolved and reopened by keys";

export async function run(stage) {
  const { id } = await stage.incident("datadog", "The lock gate does not close");
  const { page } = await stage.visitor({ role: "operate" });
  const incident = () => stage.hub.get(`/incidents/${id}`);
  const keys = page.keyboard;
  const timeline = page.locator("#timeline");
  await page.goto(`/incidents/${id}`);
  await page.locator("html[data-live=on]").waitFor();

  await keys.press("o");
  await timeline.getByText("Given to otto@harbour.example").waitFor();

  await keys.press("e");
  await page.getByRole("dialog", { name: "Declare how bad it is" }).waitFor();
  await page.getByRole("radio", { name: "SEV-2" }).press("Space");
  await keys.press("Enter");
  await timeline.getByText("Declared SEV-2").waitFor();

  await keys.press("t");
  await page.getByLabel("Address").fill("https://jira.example.com/browse/GATE-7");
  await page.getByLabel("Key", { exact: true }).fill("GATE-7");
  await keys.press("Enter");
  await page.locator("#facts").getByRole("link", { name: "jira GATE-7" }).waitFor();

  // What is half written survives the news of others.
  await keys.press("c");
  await keys.type("The hydraulics ");
  await stage.hub.post(`/incidents/${id}/comments`, { comment: "A diver is on the way." });
  await timeline.getByText("A diver is on the way.").waitFor();
  await keys.type("lost pressure.");
  await page.getByRole("button", { name: "Comment" }).click();
  await timeline.getByText("The hydraulics lost pressure.").waitFor();

  await keys.press("Escape");
  await keys.press("r");
  const dialog = page.getByRole("dialog", { name: "Resolve" });
  await dialog.getByRole("radio", { name: "Expected" }).press("Space");
  await dialog.getByLabel("Comment").fill("It is a drill.");
  await dialog.getByRole("button", { name: "Resolve" }).press("Enter");
  await timeline.getByText("It is a drill.").waitFor();
  ensure((await incident()).status === "expected", "the API does not know that it is resolved");

  await keys.press("R");
  await page.getByRole("dialog", { name: "Are you sure?" }).getByRole("button", { name: "Yes" }).press("Enter");
  await until("it to be open again", async () => (await incident()).status === "open");
  await page.locator("#head").getByText("Open", { exact: true }).waitFor();
}
