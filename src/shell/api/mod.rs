//! HTTP: health, metrics, control.
