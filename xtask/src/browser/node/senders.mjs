// Monitoring platforms as their calls look from outside. Bodies and signatures are written from what the vendors
// document, a second time and apart from Bugle's own code, so that the two can disagree.
//
// A sender makes one call of an alert's life out of `{ key, title, text, severity, service, host, env, since }` and a
// phase, `firing` or `resolved`. `severity` is critical, high, medium or low.

import { createHash, createHmac } from "node:crypto";

/** The sender of each platform, by slug. */
export const SENDERS = { anomify, datadog, elasticsearch, grafana, montecarlo, newrelic, pagerduty, prometheus };

function call(body, headers) {
  return { headers: { "content-type": "application/json", ...headers }, body };
}

const hmac = (algorithm, secret, text) => createHmac(algorithm, secret).update(text).digest("hex");
const digits = (text, count) => String(parseInt(createHash("sha256").update(text).digest("hex").slice(0, 12), 16)).slice(0, count);

/** https://docs.anomify.ai; what else moved comes with the end of the anomaly, and so in the call about it. */
function anomify(alert, phase, secret) {
  const id = digits(alert.key, 6);
  const begun = Math.floor(Date.parse(alert.since) / 1000);
  const moved = { [`${alert.host}.${alert.text}`]: [0.9612, 0, 0.9612], [`${alert.host}.cpu.total.iowait`]: [-0.90417, -2, -0.93388], "berth-04.nginx.requests": [0.71, 3, 0.88] };
  const correlations = Object.entries(moved).map(([metric, [coefficient, shifted, best]]) => [metric, { coefficient, shifted, shifted_coefficient: best }]);
  const ended = {
    "cross correlations": Object.fromEntries(correlations),
    "possible related anomalies": { [Number(id) + 1]: { metric: `${alert.host}.${alert.text}`, timestamp: begun - 60 } },
    end_timestamp: Math.floor(Date.now() / 1000),
  };
  const anomaly = {
    anomalyScore: { critical: 0.97, high: 0.82, medium: 0.6, low: 0.3 }[alert.severity],
    id,
    metric: `${alert.host}.${alert.title}`,
    timestamp: begun,
    value: 20418.666667,
    ...(phase === "resolved" && ended),
  };
  return call(JSON.stringify({ data: { anomaly }, status: {} }), { "x-api-key": secret });
}

/** https://docs.datadoghq.com/integrations/webhooks/ */
function datadog(alert, phase, secret) {
  const firing = phase === "firing";
  const priority = { critical: "P1", high: "P2", medium: "P3", low: "P4" }[alert.severity];
  const scope = `env:${alert.env},host:${alert.host}`;
  const body = JSON.stringify({
    alert_cycle_key: digits(`${alert.key} cycle`, 12),
    aggreg_key: digits(`${alert.key} group`, 12),
    alert_id: digits(alert.title, 8),
    alert_scope: scope,
    alert_title: alert.title,
    alert_transition: firing ? "Triggered" : "Recovered",
    alert_type: firing ? "error" : "success",
    alert_priority: priority,
    event_id: digits(`${alert.key} ${phase}`, 12),
    event_type: "query_alert_monitor",
    event_title: `[${priority}] [${firing ? "Triggered" : "Recovered"} on {${scope}}] ${alert.title}`,
    text_only_msg: alert.text,
    date: String(Date.now()),
    last_updated: String(Date.now()),
    hostname: alert.host,
    tags: `env:${alert.env},host:${alert.host},service:${alert.service},team:${alert.service}`,
    link: `https://app.datadoghq.example/monitors/${digits(alert.title, 8)}`,
    org_name: "Harbour Pay",
  });
  return call(body, { "user-agent": "Datadog Webhook", "x-datadog-signature": `sha256=${hmac("sha256", secret, body)}` });
}

/** https://www.elastic.co/docs/reference/kibana/connectors-kibana/webhook-action-type */
function elasticsearch(alert, phase, secret) {
  const body = JSON.stringify({
    date: new Date().toISOString(),
    severity: alert.severity,
    rule: {
      id: digits(alert.title, 12),
      name: alert.title,
      type: "metrics.alert.threshold",
      tags: `env:${alert.env},${alert.service}`,
      spaceId: "default",
      url: `https://kibana.harbour.example/app/rules/${digits(alert.title, 12)}`,
    },
    alert: {
      id: alert.host,
      uuid: digits(alert.key, 12),
      actionGroup: phase === "firing" ? "metrics.threshold.fired" : "recovered",
      actionGroupName: phase === "firing" ? "Alert" : "Recovered",
    },
    context: { reason: alert.text, timestamp: alert.since },
  });
  return call(body, { "kbn-xsrf": "true", authorization: `Basic ${Buffer.from(`bugle:${secret}`).toString("base64")}` });
}

/** https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/webhook-notifier/ */
function grafana(alert, phase, secret) {
  const labels = { alertname: alert.title, grafana_folder: "Platform", instance: alert.host, service: alert.service, env: alert.env, severity: alert.severity };
  const annotations = { description: alert.text, summary: `${alert.host}: ${alert.title}` };
  const body = JSON.stringify({
    receiver: "bugle",
    status: phase,
    alerts: [
      {
        status: phase,
        labels,
        annotations,
        startsAt: alert.since,
        endsAt: phase === "firing" ? "0001-01-01T00:00:00Z" : new Date().toISOString(),
        generatorURL: "https://graphs.harbour.example/alerting/grafana/de7kq2vw9xr0gd/view",
        fingerprint: digits(alert.key, 12),
        values: { A: 37.25, B: 1 },
      },
    ],
    groupLabels: { alertname: alert.title, instance: alert.host },
    commonLabels: labels,
    commonAnnotations: annotations,
    externalURL: "https://graphs.harbour.example/",
    version: "1",
    groupKey: `{}:{alertname="${alert.title}", instance="${alert.host}"}`,
    truncatedAlerts: 0,
    orgId: 3,
    title: `[${phase === "firing" ? "FIRING" : "RESOLVED"}:1] ${alert.title}`,
    state: phase === "firing" ? "alerting" : "ok",
    message: alert.text,
  });
  return call(body, { "x-grafana-alerting-signature": hmac("sha256", secret, body) });
}

/** https://docs.getmontecarlo.com/docs/webhooks; with the credential in the URL, as its integration allows. */
function montecarlo(alert, phase, secret) {
  const body = JSON.stringify({
    account: { id: "e1b7c2a4-90d3-4f58-b6a1-2c7d5e8f9034" },
    action: "incident",
    alert_feedback: phase === "resolved" ? "fixed" : null,
    declared_alert_severity: alert.severity === "critical" ? "SEV-1" : null,
    payload: {
      event_list: [{ event_details: alert.text, table_name: alert.service }],
      group_id: `lakehouse:${alert.service}`,
      incident_id: `4d2f9b60-71c8-4e5a-93bd-${digits(alert.key, 12).padStart(12, "0")}`,
      url: "https://getmontecarlo.example/alerts/4d2f9b60",
    },
    type: "open_anomaly_incident",
    version: "v0.1",
  });
  return { ...call(body, {}), query: `?token=${encodeURIComponent(secret)}` };
}

/** https://docs.newrelic.com/docs/alerts/get-notified/notification-integrations/#webhook */
function newrelic(alert, phase, secret) {
  const now = Date.now();
  const body = JSON.stringify({
    id: `b7d3c0aa-91f4-4c55-8a0e-${digits(alert.key, 12).padStart(12, "0")}`,
    issueUrl: "https://radar-api.service.newrelic.example/accounts/6120044/issues/b7d3c0aa",
    title: alert.title,
    priority: { critical: "CRITICAL", high: "HIGH", medium: "MEDIUM", low: "LOW" }[alert.severity],
    impactedEntities: [alert.service, alert.host],
    totalIncidents: 1,
    state: phase === "firing" ? "ACTIVATED" : "CLOSED",
    trigger: "STATE_CHANGE",
    isCorrelated: false,
    createdAt: Date.parse(alert.since),
    updatedAt: now,
    closedAt: phase === "firing" ? undefined : now,
    sources: ["newrelic"],
    alertPolicyNames: ["Shop front"],
    alertConditionNames: [alert.title],
    workflowName: "shop-to-bugle",
  });
  return call(body, { authorization: `Bearer ${secret}` });
}

/** https://developer.pagerduty.com/docs/verifying-webhook-signatures */
function pagerduty(alert, phase, secret) {
  const id = `Q${digits(alert.key, 12)}`;
  const reference = (name) => ({ id: `P${digits(name, 6)}`, type: "reference", summary: name, html_url: "https://harbour-pay.pagerduty.example/" });
  const body = JSON.stringify({
    event: {
      id: `01FQ${digits(`${alert.key} ${phase}`, 12)}`,
      event_type: phase === "firing" ? "incident.triggered" : "incident.resolved",
      resource_type: "incident",
      occurred_at: new Date().toISOString(),
      agent: reference(alert.service),
      client: null,
      data: {
        id,
        type: "incident",
        html_url: `https://harbour-pay.pagerduty.example/incidents/${id}`,
        number: Number(digits(alert.key, 5)),
        status: phase === "firing" ? "triggered" : "resolved",
        incident_key: alert.key,
        created_at: alert.since,
        title: alert.title,
        service: reference(alert.service),
        assignees: [],
        escalation_policy: reference("Payments on call"),
        teams: [reference("Payments")],
        priority: reference({ critical: "P1", high: "P2", medium: "P3", low: "P4" }[alert.severity]),
        urgency: alert.severity === "low" ? "low" : "high",
      },
    },
  });
  return call(body, { "x-pagerduty-signature": `v1=${hmac("sha256", secret, body)}` });
}

/**
 * https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
 * An alert with several `hosts` comes as one group.
 */
function prometheus(alert, phase, secret) {
  const shared = { alertname: alert.title, cluster: alert.env, service: alert.service, severity: alert.severity };
  const annotations = { summary: alert.text, runbook_url: "https://docs.harbour.example/runbooks/queues" };
  const alerts = (alert.hosts ?? [alert.host]).map((host) => ({
    status: phase,
    labels: { ...shared, instance: host },
    annotations,
    startsAt: alert.since,
    endsAt: phase === "firing" ? "0001-01-01T00:00:00Z" : new Date().toISOString(),
    generatorURL: "https://prom.harbour.example/graph?g0.expr=up",
    fingerprint: digits(`${alert.key} ${host}`, 12),
  }));
  const body = JSON.stringify({
    receiver: "bugle",
    status: phase,
    alerts,
    groupLabels: { alertname: alert.title, cluster: alert.env },
    commonLabels: shared,
    commonAnnotations: annotations,
    externalURL: "https://alerts.harbour.example",
    version: "4",
    groupKey: `{}:{alertname="${alert.title}", cluster="${alert.env}"}`,
    truncatedAlerts: 0,
  });
  return call(body, { "user-agent": "Alertmanager/0.34.0", authorization: `Bearer ${secret}` });
}
