// A destination is added with a preview of what it will get, and a test shows that it works. Then its receiver goes down:
// attempts fail, the circuit opens, deliveries are given up on, and the page says so by itself. Once the receiver is back,
// everything is sent again, and the circuit closes.

import { createHmac } from "node:crypto";

import { ensure, until } from "../hub.mjs";
import { Receiver } from "../receiver.mjs";

export const name = "a destination is added, previewed and tested; its receiver goes down, the circuit opens, all is recovered";

export async function run(stage) {
  const receiver = await Receiver.open();
  try {
    const { page } = await stage.visitor();
    const { id, secret } = await add(stage, page, receiver);
    await test(page, receiver, secret);
    await fails(stage, page, receiver, id);
    await recovers(stage, page, receiver, id);
    await stage.hub.call("DELETE", `/destinations/${id}`);
  } finally {
    receiver.close();
  }
}

/** From the list by the cards to the form, whose preview shows the signed request before anything is made. */
async function add(stage, page, receiver) {
  await page.goto("/destinations");
  await page.getByRole("link", { name: "Add a destination" }).first().click();
  await page.locator("main").getByRole("link", { name: /^Standard Webhooks/ }).click();
  await page.getByLabel("URL").fill(receiver.url("/harbour-master"));
  await page.getByLabel("Name", { exact: true }).fill("Harbour master");
  await page.getByRole("button", { name: "Make one" }).click();
  const secret = await page.getByLabel("Secret").inputValue();
  const preview = page.locator("#preview");
  await preview.getByText("webhook-signature").waitFor();
  await preview.locator("[data-body]").filter({ hasText: "incident.created" }).waitFor();
  ensure(!(await preview.innerText()).includes(secret), "the preview shows the secret");
  ensure(receiver.received.length === 0, "looking at the preview sent something");
  await page.getByText("Method, retries, circuit, limits").click();
  for (const [label, value] of [["Attempts", 2], ["First wait", 50], ["Failures that open", 2], ["It stays open for", 500]]) {
    await page.getByLabel(label).first().fill(String(value));
  }
  await stage.shoot(page, "destination-form");
  await page.getByRole("button", { name: "Add the destination" }).click();
  const made = page.getByRole("dialog").filter({ visible: true });
  await made.getByText(secret).waitFor();
  await made.getByRole("link", { name: /send a test/i }).click();
  await page.waitForURL("**/destinations/dst_*");
  return { secret, id: new URL(page.url()).pathname.split("/").pop() };
}

async function test(page, receiver, secret) {
  await page.getByRole("button", { name: "Send a test" }).click();
  await page.locator("#tested").getByText("It works").waitFor();
  await page.locator("#tested").getByText("204").waitFor();
  const [got] = receiver.received;
  const { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signature } = got.headers;
  const key = Buffer.from(secret.replace("whsec_", ""), "base64");
  const expected = createHmac("sha256", key).update(`${id}.${timestamp}.${got.body}`).digest("base64");
  ensure(signature.split(" ").includes(`v1,${expected}`), `the test is signed ${signature}`);
}

async function fails(stage, page, receiver, id) {
  receiver.status = 503;
  for (const title of ["The harbour master's radio is dead", "The tide gauge stopped", "The pilot does not answer"]) {
    await stage.incident("datadog", title);
  }
  await page.locator("#circuit").getByText(/open/i).first().waitFor();
  await page.locator("#how").getByRole("heading", { name: /circuit is open/i }).waitFor();
  await stage.shoot(page, "destination-circuit-open");
  await until("deliveries to be given up on", async () => (await dead(stage, id)).length > 0);
}

async function recovers(stage, page, receiver, id) {
  receiver.status = 204;
  await until("no delivery to be under way", async () => (await stage.hub.list(`/deliveries?destination_id=${id}&state=pending`)).length === 0);
  const given = (await dead(stage, id)).length;
  ensure(given > 0, "nothing was given up on");
  await page.keyboard.press("r");
  const dialog = page.getByRole("dialog").filter({ visible: true });
  await dialog.getByText(new RegExp(`^${given} deliver`)).waitFor();
  await stage.shoot(page, "destination-recover");
  await dialog.getByRole("button", { name: "Send them again" }).click();
  await dialog.getByText(`Done: ${given} sent again`).waitFor();
  await dialog.getByRole("button", { name: "Close" }).click();
  await until("all to be delivered", async () => {
    const deliveries = await stage.hub.list(`/deliveries?destination_id=${id}`);
    return deliveries.every(({ state }) => state === "delivered");
  });
  await page.locator("#how").getByText("Fine").first().waitFor();
  await page.locator("#circuit").getByText(/closed/i).first().waitFor();
}

function dead(stage, id) {
  return stage.hub.list(`/deliveries?destination_id=${id}&state=dead`);
}
