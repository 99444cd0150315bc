// A hub that has been at work for years: very many incidents, nearly all of them over.

import { ensure, until } from "./hub.mjs";

/** Alerts in one call; each becomes an incident of its own. */
const PER_CALL = 1000;
/** Calls that are not yet decoded while more are sent. */
const WAITING_MAX = 20;
/** One incident in so many is still open. */
const OPEN_EVERY = 200;
const SECRET = "a secret of the fleet's checks";
const CHECKS = ["Disk fills up", "Load is high", "Backup is late", "Certificate ends soon", "Service does not answer", "Clock is off", "Swap is in use"];
const SEVERITIES = ["critical", "high", "medium", "low", "low"];

/** Makes `count` incidents, and prints how far it is. */
export async function gather(hub, count) {
  if (count === 0) return;
  const { webhook_url: url, id } = await hub.post("/integrations", { platform: "custom", name: "Checks of the fleet", secret: SECRET });
  const headers = { "content-type": "application/json", authorization: `Bearer ${SECRET}` };
  for (let first = 0; first < count; first += PER_CALL) {
    const machines = Array.from({ length: Math.min(PER_CALL, count - first) }, (_, index) => first + index);
    const over = machines.filter((machine) => machine % OPEN_EVERY !== 0);
    for (const [state, some] of [["open", machines], ["closed", over]]) {
      const body = JSON.stringify(some.map((machine) => alertOf(machine, state)));
      const { status, answer } = await hub.send(url, { headers, body });
      ensure(status === 200 && answer.data.processing_status === "queued", `a list of alerts was answered ${JSON.stringify(answer)}`);
    }
    await until("the hub to keep up", async () => (await hub.get(`/receipts?integration_id=${id}&state=pending&limit=200`)).data.length < WAITING_MAX);
    if ((first / PER_CALL) % 50 === 49) console.log(`     ${first + PER_CALL} incidents`);
  }
  await until("all lists to be decoded", async () => (await hub.list("/receipts?state=pending")).length === 0, 120_000);
}

function alertOf(machine, state) {
  const service = `fleet-${machine % 97}`;
  return {
    id: `check-${machine}`,
    name: `${CHECKS[machine % CHECKS.length]} on node-${machine}`,
    state,
    severity: SEVERITIES[machine % SEVERITIES.length],
    service,
    host: `node-${machine}`,
    labels: { rack: `r${machine % 41}`, site: ["delft", "oslo", "porto"][machine % 3] },
  };
}
