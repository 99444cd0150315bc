//! Ingest routes, JSON API, metrics, OpenAPI and error answers.
