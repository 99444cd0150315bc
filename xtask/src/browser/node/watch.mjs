// What no page may do: break its Content-Security-Policy, write an error to the console, throw, or ask for something
// that is not there. Every page of every scenario is watched.

/** Most bytes of a page's HTML. */
export const PAGE_BYTES_MAX = 100 * 1024;

/** Watches every page of `context`; gives what went wrong so far, as a list that grows. */
export async function watch(context) {
  const watched = { problems: [], console: [], expected: new Set(), pending: new Set() };
  const report = (page, what) => watched.problems.push(`${new URL(page.url()).pathname}: ${what}`);
  await context.exposeBinding("__violation", ({ page }, what) => report(page, `Content-Security-Policy: ${what}`));
  await context.addInitScript(() => {
    addEventListener("securitypolicyviolation", (event) => {
      __violation(`${event.violatedDirective} forbids ${event.blockedURI || event.sample} (${event.sourceFile}:${event.lineNumber})`);
    });
  });
  context.on("page", (page) => {
    page.on("console", (message) => {
      watched.console.push(`${message.type()}: ${message.text()}`);
      if (message.type() !== "error") return;
      // The browser's own words for an answer that `response` below judges.
      const status = /the server responded with a status of (\d+)/.exec(message.text())?.[1];
      if (!status) report(page, `console: ${message.text()}`);
    });
    page.on("pageerror", (error) => report(page, `threw ${error.stack ?? error}`));
    page.on("requestfailed", (request) => {
      // What the browser gave up by itself, for it went on to another page.
      const problem = request.failure()?.errorText;
      if (problem !== "net::ERR_ABORTED") report(page, `${request.method()} ${request.url()}: ${problem}`);
    });
    page.on("response", (response) => {
      const judged = judge(response, watched.expected).then((problem) => problem && report(page, problem));
      watched.pending.add(judged.finally(() => watched.pending.delete(judged)));
    });
  });
  return watched;
}

/** What is wrong with an answer, if anything. */
async function judge(response, expected) {
  const what = `${response.request().method()} ${response.url()}`;
  if (response.status() >= 400 && !expected.has(response.status())) return `${what} answered ${response.status()}`;
  const headers = response.headers();
  if (!headers["content-type"]?.startsWith("text/html")) return undefined;
  const policy = headers["content-security-policy"] ?? "";
  if (!policy.includes("default-src")) return `${what} has no Content-Security-Policy`;
  if (/unsafe-(inline|eval)/.test(policy)) return `${what} has a lax Content-Security-Policy: ${policy}`;
  if (response.status() >= 300 && response.status() < 400) return undefined;
  const body = await response.body().catch(() => null);
  if (body?.length > PAGE_BYTES_MAX) return `${what} weighs ${body.length} bytes, more than ${PAGE_BYTES_MAX}`;
  return undefined;
}
