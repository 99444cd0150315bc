// Whoever may only read is offered no action, and is refused when asking for one all the same; who operates may act on
// incidents and change no configuration.

import { ensure } from "../hub.mjs";

export const name = "roles: nobody is offered or gets what they may not do";

export async function run(stage) {
  const { id } = await stage.incident("grafana", "The pilot boat is late");
  const reader = await stage.visitor({ role: "read" });
  await reader.page.goto(`/incidents/${id}`);
  ensure((await actions(reader.page)) === 0, "somebody who may only read is offered to acknowledge");
  await reader.page.keyboard.press("a");
  await refused(reader, "POST", `/api/v1/incidents/${id}/acknowledge`, {});
  await refused(reader, "POST", `/api/v1/integrations`, { platform: "datadog", name: "not theirs" });
  ensure((await stage.hub.get(`/incidents/${id}`)).status === "open", "somebody who may only read acknowledged it");

  const operator = await stage.visitor({ role: "operate" });
  await operator.page.goto(`/incidents/${id}`);
  ensure((await actions(operator.page)) > 0, "somebody who operates is not offered to acknowledge");
  await refused(operator, "POST", "/api/v1/users", { name: "mallory", role: "admin", password: "correct horse battery" });
  await refused(operator, "DELETE", `/api/v1/destinations/${stage.destinations.well.id}`);
}

function actions(page) {
  return page.getByRole("button", { name: /acknowledge/i }).count();
}

/** Asks as the page's own script could, token included, and fails unless the answer is 403. */
async function refused({ page, watched }, method, path, body) {
  watched.expected.add(403);
  const status = await page.evaluate(
    async ({ method, path, body }) => {
      const token = document.querySelector('meta[name="csrf-token"]')?.content ?? "";
      const headers = { "content-type": "application/json", "x-csrf-token": token };
      return (await fetch(path, { method, headers, body: body && JSON.stringify(body) })).status;
    },
    { method, path, body },
  );
  ensure(status === 403, `${method} ${path} answered ${status} instead of 403`);
}
