// News of an incident freshens its page while somebody writes a comment there: what is half written must not go.

export const name = "a half-written comment stays when the page freshens";

export async function run(stage) {
  const { id } = await stage.incident("datadog", "The lock gate does not close");
  const { page } = await stage.visitor({ role: "operate" });
  const timeline = page.locator("#timeline");
  await page.goto(`/incidents/${id}`);
  await page.locator("html[data-live=on]").waitFor();

  await page.keyboard.press("c");
  await page.keyboard.type("The hydraulics ");
  await stage.hub.post(`/incidents/${id}/comments`, { comment: "A diver is on the way." });
  await timeline.getByText("A diver is on the way.").waitFor();
  await page.keyboard.type("lost pressure.");
  await page.getByRole("button", { name: "Comment" }).click();
  await timeline.getByText("The hydraulics lost pressure.").waitFor();
}
