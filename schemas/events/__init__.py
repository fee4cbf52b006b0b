"""What receivers of our events get: CloudEvents 1.0, one model per type."""
