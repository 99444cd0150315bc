// Who is told of an incident and who is not, and why, from the incident itself and by searching for it.

import { ensure } from "../hub.mjs";

export const name = "routing says which destinations are told of an event, and why the others are not";

export async function run(stage) {
  const { id } = await stage.incident("grafana", "The tide gauge is stuck");
  const url = "https://nobody.example/hook";
  const made = await stage.hub.post("/destinations", { name: "Only what is over", url, events: ["incident.resolved"] });
  const { page } = await stage.visitor({ role: "read" });
  await page.goto("/routing");
  await page.getByLabel("Search incidents").fill("tide gauge");
  await page.keyboard.press("Enter");
  await page.getByRole("link", { name: "The tide gauge is stuck" }).click();
  const row = page.getByRole("row", { name: /Only what is over/ });
  await row.getByText("It wants only incident.resolved; this is incident.").waitFor();
  await row.getByText("Not for it", { exact: true }).waitFor();

  await stage.hub.post(`/incidents/${id}/resolve`, { resolution: "fixed" });
  await page.goto(`/routing?incident=${id}`);
  await row.getByText(/^Gets it/).waitFor();
  const told = await stage.hub.get(`/incidents/${id}/routing`);
  const one = told.data.find(({ destination_id }) => destination_id === made.id);
  ensure(one.outcome === "sent" || one.outcome === "waits", `the API says ${one.outcome}`);
  await stage.hub.call("DELETE", `/destinations/${made.id}`);
}
