// What a sender writes is shown as it is written, wherever it is shown, and never becomes part of the page.

import { ensure } from "../hub.mjs";

export const name = "markup in an alert stays text";

const HOSTILE = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>{{7*7}}`;

export async function run(stage) {
  const { id } = await stage.incident("datadog", HOSTILE);
  const { page } = await stage.visitor();
  for (const path of ["/", "/incidents", `/incidents/${id}`, `/incidents?q=${encodeURIComponent(HOSTILE)}`]) {
    await page.goto(path);
    await page.getByText(HOSTILE.slice(0, 12)).first().waitFor();
    ensure((await page.locator("img[src=x]").count()) === 0, `${path}: the markup became part of the page`);
    ensure((await page.title()) !== "owned", `${path}: the script ran`);
  }
}
