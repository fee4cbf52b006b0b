"""Loops that call flows; no decisions. `loop` is one loop, `supervisor` owns them all, `roles` says which run."""
