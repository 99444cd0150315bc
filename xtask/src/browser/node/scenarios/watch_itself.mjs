// The watch and the accessibility check must see what is wrong: here is a page on which everything is.

import { createServer } from "node:http";

import { violations } from "../accessibility.mjs";
import { ensure, until } from "../hub.mjs";
import { PAGE_BYTES_MAX } from "../watch.mjs";

export const name = "the checks see a page that is wrong in every way";

const WRONG = `<!doctype html><html><head><title></title></head><body>
<script>document.title = "never"</script><script src="/throws.js"></script><img src="/missing.png">
<p style="color: #777">${" ".repeat(PAGE_BYTES_MAX)}</p></body></html>`;

export async function run(stage) {
  const server = createServer((request, response) => {
    const policy = { "content-security-policy": "default-src 'self'" };
    if (request.url === "/") response.writeHead(200, { "content-type": "text/html", ...policy }).end(WRONG);
    else if (request.url === "/lax") response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html><title>Lax</title>");
    else if (request.url === "/throws.js") response.writeHead(200, { "content-type": "text/javascript" }).end("console.error('said'); throw new Error('thrown')");
    else response.writeHead(404).end();
  });
  await new Promise((resume) => server.listen(0, "127.0.0.1", resume));
  const address = `http://127.0.0.1:${server.address().port}`;
  try {
    const { page, watched } = await stage.visitor({ role: null });
    await page.goto(`${address}/`);
    const seen = await violations(page);
    ensure(seen.some((finding) => finding.includes("image-alt")), `the image without a text was not found: ${seen}`);
    await page.goto(`${address}/lax`);
    for (const sign of ["script-src", "style-src", "said", "thrown", "missing.png answered 404", "weighs", "has no Content-Security-Policy"]) {
      await until(`"${sign}" to be reported`, () => watched.problems.some((problem) => problem.includes(sign)), 3000);
    }
    watched.problems.length = 0;
  } finally {
    server.closeAllConnections();
    server.close();
  }
}
