// Whether everybody can use a page, as far as a machine can tell: axe-core's rules for WCAG 2.2 AA.

import axe from "axe-core";

/** Findings that keep people from using a page. */
const GRAVE = ["serious", "critical"];
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/** The serious and critical findings on `page`, in words. */
export async function violations(page) {
  // Evaluated by the browser itself and not by the page, whose Content-Security-Policy forbids it.
  await page.evaluate(`${axe.source}; undefined`);
  const found = await page.evaluate((values) => axe.run({ runOnly: { type: "tag", values }, resultTypes: ["violations"] }), RULES);
  return found.violations.filter(({ impact }) => GRAVE.includes(impact)).map(inWords);
}

function inWords({ id, impact, help, nodes }) {
  const [first] = nodes;
  const others = nodes.length > 1 ? `, and ${nodes.length - 1} more` : "";
  return `${impact}: ${id}: ${help}: ${first.target.join(" ")}${others}: ${first.failureSummary.replaceAll(/\s+/g, " ")}`;
}
