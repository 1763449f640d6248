//! What we show: event to rows, the SQLite store, the worker, generations.
