// A wrong password and an unknown name get the same answer; the right one leads to where one wanted to go; and after
// signing out, nothing is shown any more.

import { ensure } from "../hub.mjs";
import { PASSWORD, fillSignIn } from "../stage.mjs";

export const name = "sign-in: refused alike, then led back, then signed out";

export async function run(stage) {
  const sam = "sam@harbour.example";
  await stage.hub.post("/users", { name: sam, role: "read", password: PASSWORD });
  const { page, watched } = await stage.visitor({ role: null });
  watched.expected.add(422);
  await page.goto("/incidents?status=open");
  const problems = [];
  for (const [name, password] of [[sam, "not the password of sam"], ["nobody@harbour.example", PASSWORD]]) {
    await page.getByLabel("Name").fill(name);
    await page.getByLabel("Password").fill(password);
    await page.getByRole("button", { name: "Sign in" }).click();
    problems.push(await page.getByRole("alert").innerText());
  }
  ensure(problems[0] === problems[1], `the answers tell who exists: ${problems.join(" / ")}`);
  await fillSignIn(page, sam, PASSWORD);
  ensure(page.url().endsWith("/incidents?status=open"), `led to ${page.url()}`);

  await page.getByLabel("Your account").click();
  await page.getByRole("button", { name: "Sign out", exact: true }).click();
  await page.waitForURL("**/sign-in*");
  await page.goto("/incidents");
  ensure(page.url().includes("/sign-in"), `still shown ${page.url()} after signing out`);
}
