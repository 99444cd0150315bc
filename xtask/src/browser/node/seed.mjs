// What a hub looks like after a bad night, made through its API and with signed calls: several platforms, incidents in
// every state, destinations that work and that do not, and calls in quarantine.

import { ensure, until } from "./hub.mjs";
import { Receiver } from "./receiver.mjs";
import { SENDERS } from "./senders.mjs";

/** Title, text, severity, service and host of what goes wrong, by platform. */
const TROUBLES = {
  datadog: [
    ["Replica lag of the ledger database", "Seconds behind master is 184, above 120 for 10 minutes.", "critical", "ledger", "ledger-db-3"],
    ["Disk almost full", "4 % of /var/lib/mysql is free.", "high", "ledger", "ledger-db-1"],
    ["Error rate of the card API", "2.7 % of requests fail, above 1 %.", "critical", "cards", "cards-api-2"],
    ["Certificate ends soon", "pay.harbour.example ends in 6 days.", "low", "edge", "edge-1"],
    ["Queue of refunds grows", "1,204 messages wait, above 500.", "medium", "refunds", "rabbit-2"],
    ["CPU of the pricing nodes", "93 % for 15 minutes.", "medium", "pricing", "pricing-4"],
    ["Latency of the search", "p99 is 2.4 s, above 1 s.", "high", "search", "search-7"],
    ["Pods restart again and again", "invoice-worker restarted 14 times in an hour.", "high", "invoices", "k8s-eu-1"],
  ],
  prometheus: [
    ["TargetDown", "1 of 12 targets of node does not answer.", "high", "node", "web-04:9100"],
    ["QueueConsumersMissing", "1 of 2 consumers of invoices on rabbit-1.", "critical", "billing-worker", "rabbit-1:15692"],
    ["HighMemory", "96 % of memory is in use.", "medium", "thumbnailer", "worker-11:9100"],
    ["ClockSkew", "The clock is off by 1.8 s.", "low", "node", "web-09:9100"],
    ["SlowQueries", "31 queries a second take longer than 1 s.", "high", "catalogue", "pg-2:9187"],
    ["ScrapeTooSlow", "A scrape takes 9.1 s of 10 s.", "low", "node", "web-12:9100"],
    ["EtcdLeaderChanges", "5 changes of leader in an hour.", "critical", "etcd", "etcd-1:2379"],
  ],
  grafana: [
    ["Kiln temperature drifting", "More than 30 °C above its set point for 5 min & <not> falling.", "critical", "kilns", "kiln-7"],
    ["Checkout conversion dropped", "Conversion is 1.1 %, 3.4 % a week ago.", "high", "checkout", "shop-eu"],
    ["Signups below the usual", "12 in an hour, 80 expected.", "medium", "accounts", "shop-us"],
    ["Cache misses", "Hit ratio is 61 %, below 90 %.", "medium", "catalogue", "redis-3"],
    ["Backups are late", "The last one ended 31 hours ago.", "high", "backups", "vault-2"],
    ["Bandwidth near its limit", "8.7 of 10 Gbit/s.", "low", "edge", "edge-3"],
  ],
  pagerduty: [
    ["Payments are declined by the acquirer", "Declines are at 38 %.", "critical", "Acquiring", "acq-1"],
    ["Night batch did not start", "settlement-eu should have begun at 02:00.", "high", "Settlement", "batch-2"],
    ["Fraud model answers late", "p95 is 900 ms.", "medium", "Fraud", "fraud-5"],
    ["Customer export fails", "3 exports in a row failed.", "low", "Exports", "export-1"],
    ["VPN to the bank is down", "No packet for 4 minutes.", "critical", "Network", "vpn-2"],
  ],
  newrelic: [
    ["checkout-web p99 latency is > 1.8 seconds for 10 minutes on 'Slow checkout'", "Slow checkout", "high", "checkout-web", "checkout-eu-2"],
    ["Apdex of the shop front below 0.7", "Shop front", "medium", "shop-front", "shop-eu-1"],
    ["JavaScript errors doubled", "Shop front", "medium", "shop-front", "shop-us-1"],
    ["Synthetic login fails from Frankfurt", "Logins", "critical", "accounts", "synthetic-fra"],
    ["Throughput of the mobile API fell by half", "Mobile", "high", "mobile-api", "mobile-3"],
  ],
  elasticsearch: [
    ["Heap of search nodes", "jvm.mem.heap_used_percent is 86 %. Alert when above 85 %.", "medium", "search", "search-node-07"],
    ["Shards unassigned", "3 shards of orders-2026.11 are unassigned.", "high", "search", "search-node-02"],
    ["Failed log-ins of one account", "412 in 5 minutes from 3 countries.", "critical", "identity", "auth-1"],
    ["Logs of the mail relay stopped", "No document for 20 minutes.", "low", "mail", "relay-1"],
    ["Slow ingest", "The pipeline is 6 minutes behind.", "medium", "search", "ingest-4"],
  ],
  anomify: [
    ["mariadb.handler_read_rnd", "mariadb.queries", "critical", "mariadb", "reefer-07"],
    ["nginx.requests", "cpu.total.iowait", "medium", "nginx", "berth-02"],
  ],
  montecarlo: [
    ["Rows are missing", "Has 1180 rows vs. 96400 expected", "high", "shipments_daily", "lakehouse"],
    ["A table is stale", "Not updated for 26 hours; usually every 4 hours", "critical", "ledger_balances", "lakehouse"],
    ["A column changed its type", "amount went from NUMERIC to STRING", "medium", "refunds", "lakehouse"],
    ["Nulls in a key", "3.1 % of customer_id is null vs. 0 % expected", "low", "customers_dim", "lakehouse"],
    ["A field's values drift", "currency has 9 new values", "medium", "orders", "lakehouse"],
  ],
};

/** One cause that many machines report, as one group. */
const STORM = ["DiskWillFillIn4Hours", "The disks of the build machines fill up.", "high", "builds", "build-01:9100"];
const STORM_HOSTS = Array.from({ length: 23 }, (_, index) => `build-${String(index + 1).padStart(2, "0")}:9100`);

const OWNERS = ["mira.okonjo@harbour.example", "tobias.lind@harbour.example", "ana.serra@harbour.example"];
const secretOf = (platform) => `a ${platform} secret of the browser tests`;

/** Fills `hub`; gives the receivers, and the ids that pages are named by. */
export async function seed(hub) {
  const receivers = { well: await Receiver.open(), down: await Receiver.open(), picky: await Receiver.open() };
  receivers.down.status = 503;
  receivers.picky.status = 400;
  const destinations = await addDestinations(hub, receivers);
  const integrations = await addIntegrations(hub);
  const alerts = Object.entries(TROUBLES).flatMap(([platform, troubles]) => troubles.map((trouble, index) => alertOf(platform, trouble, index)));
  alerts.push({ ...alertOf("prometheus", STORM), hosts: STORM_HOSTS });
  await inParallel(alerts, (alert) => fire(hub, integrations, alert, "firing"));
  await until("all incidents", async () => (await hub.list("/incidents")).length >= alerts.length);
  // An anomaly is over when its source knows what else moved; the storm goes on.
  const over = alerts.filter(({ platform, hosts }, index) => platform === "anomify" || (index % 5 === 1 && !hosts));
  await inParallel(over, (alert) => fire(hub, integrations, alert, "resolved"));
  await quarantine(hub, integrations);
  await until("all calls to be decoded", async () => (await hub.list("/receipts?state=pending")).length === 0);
  await people(hub);
  await until("a circuit to open", async () => (await hub.get(`/destinations/${destinations.down.id}`)).circuit_state.phase !== "closed");
  return { receivers, destinations, integrations, fire: (alert, phase) => fire(hub, integrations, alert, phase) };
}

/** An alert of `platform`. */
export function alertOf(platform, [title, text, severity, service, host], index = 0) {
  const since = new Date(Date.now() - (index * 37 + 3) * 60_000).toISOString();
  return { platform, key: `${title} / ${host}`, title, text, severity, service, host, env: index % 3 === 2 ? "staging" : "live", since };
}

/** Sends a call about `alert`, signed, and fails unless it is taken in. */
async function fire(hub, integrations, alert, phase = "firing") {
  const { platform } = alert;
  const sent = await hub.send(integrations[platform].webhook_url, SENDERS[platform](alert, phase, secretOf(platform)));
  ensure(sent.status === 200, `${platform}: ${alert.title}: ${sent.status} ${JSON.stringify(sent.answer)}`);
  ensure(sent.answer.data.processing_status === "queued", `${platform}: ${alert.title}: ${JSON.stringify(sent.answer)}`);
}

async function addIntegrations(hub) {
  const made = {};
  for (const platform of Object.keys(TROUBLES)) {
    const name = platform === "prometheus" ? "Prometheus of the EU clusters" : `${platform} live`;
    made[platform] = await hub.post("/integrations", { platform, name, secret: secretOf(platform) });
  }
  made.silent = await hub.post("/integrations", { platform: "signoz", name: "SigNoz of the lab", secret: "never used so far" });
  return made;
}

async function addDestinations(hub, { well, down, picky }) {
  const add = (name, dialect, url, more = {}) => hub.post("/destinations", { name, dialect, url, ...more });
  const retry = { max_attempts: 20, initial_delay_ms: 500, factor: 2, max_delay_ms: 60_000, jitter: 0.1 };
  return {
    well: await add("Data platform", "standard-webhooks", well.url("/data-platform")),
    other: await add("On-call board", "template", well.url("/board"), {
      template: { text: "{{incident.severity}}: {{incident.title}}", id: "{{incident.id}}" },
    }),
    down: await add("Ticket bridge", "standard-webhooks", down.url("/tickets"), {
      retry,
      circuit: { failure_threshold: 3, open_ms: 3_600_000, on_open: "pause" },
    }),
    picky: await add("Old CMDB", "standard-webhooks", picky.url("/cmdb"), { filter: { severities: ["critical"] } }),
  };
}

/** Calls that are not proven, and calls that are proven and not understood. */
async function quarantine(hub, integrations) {
  const alert = alertOf("datadog", ["Quarantined", "Signed with another secret.", "high", "ledger", "ledger-db-9"], 0);
  const answers = [
    hub.send(integrations.datadog.webhook_url, SENDERS.datadog(alert, "firing", "the secret of before")),
    hub.send(integrations.grafana.webhook_url, SENDERS.grafana(alert, "firing", "the secret of before")),
    hub.send(integrations.pagerduty.webhook_url, { headers: { "content-type": "application/json" }, body: "{}" }),
    hub.send(integrations.prometheus.webhook_url, {
      headers: { "content-type": "application/json", authorization: `Bearer ${secretOf("prometheus")}` },
      body: JSON.stringify({ status: "firing", note: "this is not what Alertmanager sends" }),
    }),
  ];
  const statuses = (await Promise.all(answers)).map((sent) => sent.status);
  ensure(statuses.slice(0, 3).every((status) => status === 401), `calls without proof were answered ${statuses}`);
}

/** What people did about the incidents that are still open. */
async function people(hub) {
  const open = (await hub.list("/incidents?status=open")).sort((a, b) => a.title.localeCompare(b.title));
  const resolutions = ["fixed", "expected", "no_action_needed", "false_positive"];
  await inParallel([...open.entries()], async ([index, { id }]) => {
    const act = (path, body) => hub.post(`/incidents/${id}/${path}`, body);
    if (index % 3 === 0) await act("owner", { owner: OWNERS[index % OWNERS.length] });
    if (index % 4 === 1) await act("acknowledge");
    if (index % 4 === 2) {
      await act("status", { status: "work_in_progress" });
      await act("tickets", { system: "jira", key: `PAY-${4100 + index}`, url: `https://jira.harbour.example/browse/PAY-${4100 + index}` });
      await act("comments", { comment: "The replica is being rebuilt; balances come from the primary meanwhile." });
    }
    if (index % 8 === 3) await act("severity", { severity: index % 16 === 3 ? "SEV-1" : "SEV-3" });
    if (index % 8 === 7) await act("resolve", { resolution: resolutions[((index - 7) / 8) % 4], comment: "Looked at, and done with." });
  });
}

/** `work` for each of `items`, eight at a time. */
async function inParallel(items, work) {
  const queue = [...items];
  await Promise.all(Array.from({ length: 8 }, async () => {
    while (queue.length > 0) await work(queue.shift());
  }));
}
