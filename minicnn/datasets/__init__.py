"""Pictures to learn from and to paint with; heartbeats, scans and films."""
