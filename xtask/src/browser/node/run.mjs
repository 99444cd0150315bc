// Runs the scenarios against a hub that is up and that nobody used yet, one after the other, each with its time.
// Writes how many held and how many did not to results.json.

import { readdir, rm, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { gather } from "./crowd.mjs";
import * as firstSignIn from "./first_sign_in.mjs";
import { seed } from "./seed.mjs";
import { pageScenarios } from "./pages.mjs";
import { Stage } from "./stage.mjs";

const text = { type: "string" };
const { values: options } = parseArgs({
  options: { url: text, folder: text, chromium: text, out: text, only: { ...text, default: "" }, incidents: { ...text, default: "0" } },
});

// What an earlier run kept would be taken for this one's.
for (const kept of ["failures", "screens", "results.json"]) await rm(join(options.out, kept), { recursive: true, force: true });
await mkdir(options.out, { recursive: true });
const stage = await Stage.open(options);
const results = { passed: 0, failed: 0 };

const perform = async (scenario) => {
  if (!scenario.name.includes(options.only)) return;
  results[(await stage.perform(scenario)) ? "passed" : "failed"] += 1;
};

try {
  // The first sign-in wants a hub without people, and everything else one that has seen a bad night.
  await perform(firstSignIn);
  const started = performance.now();
  await gather(stage.hub, Number(options.incidents));
  Object.assign(stage, await seed(stage.hub));
  console.log(`     the hub is seeded (${((performance.now() - started) / 1000).toFixed(1)} s)`);
  const folder = new URL("./scenarios/", import.meta.url);
  for (const file of (await readdir(folder)).sort()) await perform(await import(new URL(file, folder)));
  for (const scenario of pageScenarios(stage)) await perform(scenario);
} finally {
  await writeFile(join(options.out, "results.json"), JSON.stringify(results));
  for (const receiver of Object.values(stage.receivers ?? {})) receiver.close();
  await stage.close();
}
