//! Ingest, pipeline, correlation, routing, dispatch, retry and circuit.
